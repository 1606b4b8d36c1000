from pathlib import Path
from typing import Any

import pytest
import torch

from models.training import fit as module
from models.training.artifact import load_model
from models.training.distributed import Ranks
from models.training.fit import fit
from tests.models.training.small import MODEL, TRAINING, small_graph
from tests.models.training.test_train import files, stop_after


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A fit that cases only read, and what it has returned."""
    folder = tmp_path_factory.mktemp("fitted") / "model"
    return folder, fit(small_graph(), MODEL, TRAINING, folder, device="cpu")


def test_length_and_calibration_come_from_train_alone_and_weights_from_both(
    fitted: tuple[Path, dict[str, Any]],
) -> None:
    graph, (folder, summary) = small_graph(), fitted
    model = load_model(folder)
    assert model.training["windows"] == ["train", "validate"]
    assert model.training["epochs"] == summary["epochs"] == model.training["selection"]["epochs"]
    assert model.training["selection"]["windows"] == ["train"]
    assert model.training["seeds"] == summary["seeds"]
    rows = torch.cat([graph.seeds.rows("train"), graph.seeds.rows("validate")])
    assert summary["seeds"] == int((graph.seeds.settled[rows] < graph.schema.window("validate").end).sum())
    assert model.calibration.tasks["click"].scale != 1.0
    best = summary["history"][summary["epochs"] - 1]
    assert {name: summary[name] for name in best if name.startswith("validate_")} == {
        name: value for name, value in best.items() if name.startswith("validate_")
    }
    assert 0 <= summary["validate_auc_click"] <= 1
    assert 0 < summary["selection_seconds"] < summary["seconds"] < 600
    assert len(summary["history"]) == summary["epochs_run"] <= TRAINING.epochs
    assert {path.name for path in folder.parent.iterdir()} == {"model"}


def test_an_interrupted_fit_goes_on(fitted: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    graph = small_graph()
    with pytest.raises(InterruptedError):
        fit(graph, MODEL, TRAINING, tmp_path / "broken", device="cpu", log=stop_after(2))
    fit(graph, MODEL, TRAINING, tmp_path / "broken", device="cpu")
    assert files(tmp_path / "broken") == files(fitted[0])


def test_the_first_training_is_not_repeated_where_the_second_was_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, windows, waited = module.train, list[tuple[str, ...]](), list[int]()

    def spy(graph: Any, model: Any, config: Any, folder: Path, *given: Any, **named: Any) -> Path:
        windows.append(given[0].windows if given else ("train",))
        if len(windows) == 2:
            raise InterruptedError
        return train(graph, model, config, folder, *given, **named)

    monkeypatch.setattr(module, "train", spy)
    monkeypatch.setattr(Ranks, "wait", lambda _: waited.append(len(windows)))
    with pytest.raises(InterruptedError):
        fit(small_graph(), MODEL, TRAINING, tmp_path / "model", device="cpu")
    waited.clear()
    fit(small_graph(), MODEL, TRAINING, tmp_path / "model", device="cpu")
    assert windows == [("train",), ("train", "validate"), ("train", "validate")]
    # When the first training is everywhere, when the second one's checkpoint is, when all agree on it, at its end, and
    # after the artifact is complete.
    assert len(waited) == 5
