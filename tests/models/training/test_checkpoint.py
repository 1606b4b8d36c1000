"""What a checkpoint keeps, which one is read, and how long an epoch was waited for."""

import shutil
from pathlib import Path

import pytest
import torch
from torch import nn

from models.training.checkpoint import Checkpoints, Progress
from models.training.place import CheckpointPlace
from models.training.schedule import NeighbourSchedule


@pytest.mark.parametrize(
    ("epoch", "best", "sizes", "size", "waited"),
    [
        (0, 0, [], None, 0),
        (3, 0, [None] * 3, None, 3),
        (3, 1, [None] * 3, None, 2),
        (3, 3, [None] * 3, None, 0),
        (4, 1, [1, 3, 3, 3], 3, 3),  # grew after the first epoch, which is also the best
        (4, 0, [1, 3, 3, 3], 3, 3),  # grew after the first epoch, and none was the best
        (4, 1, [1, 1, 3, 3], 3, 2),
        (5, 1, [1, 3, 4, 4, 4], 4, 3),  # grew twice: the later one counts
        (4, 3, [1, 1, 3, 3], 3, 1),
        (4, 1, [1, 1, 1, 1], 3, 0),  # grows after this epoch
        (4, 1, [1, 1, 1, 1], 1, 3),
        (0, 0, [], 3, 0),
    ],
)
def test_waiting_begins_at_the_best_epoch_or_when_trees_grew(
    epoch: int, best: int, sizes: list[int | None], size: int | None, waited: int
) -> None:
    schedule = None if size is None else NeighbourSchedule(size, 0.0)
    assert Progress(epoch, best, largest_fan_outs=sizes, neighbours=schedule).waited == waited


def test_a_training_begins_before_its_first_epoch() -> None:
    assert Progress() == Progress(0, 0, float("-inf"), [], [], None)


def test_the_last_folder_alone_is_kept_and_read(tmp_path: Path) -> None:
    ranker, average = nn.Linear(2, 1), nn.Linear(2, 1)
    optimizer = torch.optim.AdamW(ranker.parameters())
    checkpoints, saved = Checkpoints(CheckpointPlace(tmp_path / "kept"), "run"), {}
    for epoch in (1, 2, 3):
        ranker(torch.ones(1, 2)).sum().backward()
        optimizer.step()
        saved[epoch] = ranker.weight.detach().clone()
        progress = Progress(epoch, epoch, 0.5, [{"train_loss": 0.25}], [2] * epoch, NeighbourSchedule(2, 0.5, 0.75))
        checkpoints.save(progress, ranker, average, optimizer, {"w": saved[epoch]})
        folder = tmp_path / "kept" / f"epoch_000{epoch}"
        assert list((tmp_path / "kept").iterdir()) == [folder]
        shutil.copytree(folder, tmp_path / folder.name)
    for epoch in (1, 2):
        (tmp_path / f"epoch_000{epoch}").rename(tmp_path / "kept" / f"epoch_000{epoch}")
    again, follows = nn.Linear(2, 1), nn.Linear(2, 1)
    restored = torch.optim.AdamW(again.parameters())
    assert Checkpoints(CheckpointPlace(tmp_path / "kept"), "another run").load(again, follows, restored) is None
    found = checkpoints.load(again, follows, restored)
    assert found is not None
    assert found[0] == progress
    assert torch.equal(found[1]["w"], saved[3])
    assert torch.equal(again.weight, saved[3])
    assert torch.equal(follows.weight, average.weight)
    assert restored.state_dict()["state"][0]["step"] == 3
    checkpoints.clear()
    checkpoints.clear()
    assert not (tmp_path / "kept").exists()
    assert checkpoints.load(again, follows, restored) is None
