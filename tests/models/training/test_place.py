"""A training goes on where its machine was taken away: its progress is in object storage."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from models.storage import exists, join, names, remove, write_bytes
from models.training import checkpoint, train
from models.training import fit as fitting
from models.training.artifact import load_model
from models.training.checkpoint import Checkpoints, Progress
from models.training.errors import CheckpointError
from models.training.fit import fit
from models.training.place import CheckpointPlace
from models.training.refit import refit
from models.training.train import fingerprint
from tests.models.training.small import MODEL, TRAINING, small_graph
from tests.models.training.test_refit import UNTIL
from tests.models.training.test_train import files, stop_after
from tests.s3_server import bucket, s3_server

__all__ = ["bucket", "s3_server"]


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every epoch is copied."""
    monkeypatch.setattr(checkpoint, "BETWEEN_COPIES", 0)


def test_a_folder_is_a_place_and_an_address_has_one_next_to_the_model(tmp_path: Path) -> None:
    model = tmp_path / "model"
    assert CheckpointPlace.of(None, model) == CheckpointPlace(tmp_path / "checkpoint")
    assert (
        CheckpointPlace.of("/kept", model) == CheckpointPlace.of(Path("/kept"), model) == CheckpointPlace(Path("/kept"))
    )
    place = CheckpointPlace.of("s3://bucket/kept", model)
    assert place == CheckpointPlace(tmp_path / "checkpoint", "s3://bucket/kept")
    assert place.below("train") == CheckpointPlace(tmp_path / "checkpoint" / "train", "s3://bucket/kept/train")
    assert CheckpointPlace(tmp_path).below("train").address == ""
    assert CheckpointPlace.of(place, tmp_path) is place


@pytest.mark.usefixtures("at_once")
def test_a_fit_goes_on_on_another_machine_in_both_of_its_trainings(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three machines: the first is lost after an epoch, the second after an epoch of the last training."""
    graph, config, address = small_graph(), replace(TRAINING, epochs=2), join(bucket, "checkpoints", "news")
    fit(graph, MODEL, config, tmp_path / "whole", device="cpu")
    epochs = list[int]()

    def log(_: dict[str, float], epoch: int) -> None:
        epochs.append(epoch)
        if epoch == 1:
            raise InterruptedError

    def logged(*given: Any, checkpoint: CheckpointPlace) -> Path:
        return train.train(*given[:6], log, checkpoint)

    monkeypatch.setattr(fitting, "train", logged)
    for machine in ("first", "second"):
        with pytest.raises(InterruptedError):
            fit(graph, MODEL, config, tmp_path / machine / "model", "cpu", checkpoint=address)
    fit(graph, MODEL, config, tmp_path / "third" / "model", "cpu", checkpoint=address)
    assert epochs == [1, 2, 1, 2]
    assert files(tmp_path / "third" / "model") == files(tmp_path / "whole")
    assert names(address) == []
    assert {path.name for path in (tmp_path / "third").iterdir()} == {"model"}


@pytest.mark.usefixtures("at_once")
def test_two_fits_at_one_address_keep_apart(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A comparison trains two models of one product at the same time: none of them removes the other's checkpoint."""
    graph, address, found = small_graph(), join(bucket, "checkpoints", "news"), list[set[str]]()
    first, second = (replace(TRAINING, epochs=epochs) for epochs in (2, 3))

    def log(_: dict[str, float], epoch: int) -> None:
        if epoch == 1:
            raise InterruptedError

    def logged(*given: Any, checkpoint: CheckpointPlace) -> Path:
        return train.train(*given[:6], log, checkpoint)

    with monkeypatch.context() as lost:
        lost.setattr(fitting, "train", logged)
        with pytest.raises(InterruptedError):
            fit(graph, MODEL, first, tmp_path / "one" / "model", "cpu", checkpoint=address)
    found.append(set(names(address)))
    fit(graph, MODEL, second, tmp_path / "two" / "model", "cpu", checkpoint=address)
    found.append(set(names(address)))
    assert found[0] == found[1] == {fingerprint(graph, MODEL, first)}
    assert exists(join(address, *found[1], "train", "epoch_0001", checkpoint.MARKER))


@pytest.mark.usefixtures("at_once")
def test_a_refit_goes_on_on_another_machine(bucket: str, tmp_path: Path) -> None:
    graph, address, epochs = small_graph(), join(bucket, "refit"), list[int]()
    train.train(graph, MODEL, TRAINING, tmp_path / "judged", device="cpu")
    refit(graph, tmp_path / "judged", UNTIL, tmp_path / "whole", device="cpu")
    first, second = tmp_path / "first" / "model", tmp_path / "second" / "model"
    with pytest.raises(InterruptedError):
        refit(graph, tmp_path / "judged", UNTIL, first, device="cpu", log=stop_after(1), checkpoint=address)
    assert names(address) == [load_model(tmp_path / "judged").training["run"]]  # apart from another model's refit
    refit(
        graph, tmp_path / "judged", UNTIL, second, device="cpu", log=lambda _, n: epochs.append(n), checkpoint=address
    )
    assert epochs == list(range(2, load_model(second).training["epochs"] + 1))
    assert files(second) == files(tmp_path / "whole")
    assert names(address) == []


@pytest.fixture
def weights() -> tuple[nn.Module, nn.Module, torch.optim.Optimizer]:
    ranker = nn.Linear(2, 1)
    return ranker, nn.Linear(2, 1), torch.optim.AdamW(ranker.parameters())


def save(folder: Path, address: str, epoch: int, weights: Any) -> Checkpoints:
    checkpoints = Checkpoints(CheckpointPlace(folder, address), "run")
    checkpoints.save(Progress(epoch), *weights, {})
    return checkpoints


@pytest.mark.usefixtures("at_once")
def test_a_copy_that_was_cut_off_is_left_out(bucket: str, tmp_path: Path, weights: Any) -> None:
    address = join(bucket, "kept")
    save(tmp_path / "one", address, 1, weights)
    write_bytes(join(address, "epoch_0002", "weights.safetensors"), b"half")
    other = Checkpoints(CheckpointPlace(tmp_path / "two", address), "run")
    other.fetch()
    found = other.load(*weights)
    assert found is not None
    assert found[0].epoch == 1
    save(tmp_path / "two", address, 2, weights)
    assert names(address) == ["epoch_0002"]
    assert exists(join(address, "epoch_0002", checkpoint.MARKER))


def test_the_first_checkpoint_is_copied_at_once_and_replaces_no_newer_one_of_this_machine(
    bucket: str, tmp_path: Path, weights: Any
) -> None:
    checkpoints = save(tmp_path, join(bucket, "kept"), 1, weights)
    checkpoints.save(Progress(2), *weights, {})
    assert names(join(bucket, "kept")) == ["epoch_0001"], "copied before its time"
    checkpoints.fetch()
    found = checkpoints.load(*weights)
    assert found is not None
    assert found[0].epoch == 2


@pytest.mark.usefixtures("at_once")
def test_a_damaged_copy_is_named_with_its_address(bucket: str, tmp_path: Path, weights: Any) -> None:
    address = join(bucket, "kept")
    save(tmp_path / "one", address, 1, weights)
    write_bytes(join(address, "epoch_0001", "weights.safetensors"), b"no tensors")
    other = Checkpoints(CheckpointPlace(tmp_path / "two", address), "run")
    other.fetch()
    with pytest.raises(CheckpointError, match=f"delete it and {address}"):
        other.load(*weights)


@pytest.mark.usefixtures("at_once")
def test_a_storage_that_takes_nothing_ends_no_training(
    bucket: str, tmp_path: Path, weights: Any, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoints = save(tmp_path, f"{bucket}-other/kept", 1, weights)
    assert f"{bucket}-other/kept: not copied" in caplog.text
    assert "no such bucket" in caplog.text
    assert checkpoints.load(*weights) is not None
    checkpoints.clear()


def test_a_place_that_goes_is_no_error(bucket: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    place = CheckpointPlace(tmp_path / "none", join(bucket, "none"))
    place.fetch("epoch_0001", checkpoint.MARKER)
    place.clear()
    remove(place.address)
    assert caplog.text == ""
    assert not place.folder.exists()
