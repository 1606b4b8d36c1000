from pathlib import Path

import pytest
import torch

from models.training.artifact import load_model
from models.training.fit import fit
from tests.training.small import MODEL, TRAINING, small_graph
from tests.training.test_train import files, stop_after


def test_length_and_calibration_come_from_train_alone_and_weights_from_both(tmp_path: Path) -> None:
    graph = small_graph()
    summary = fit(graph, MODEL, TRAINING, tmp_path / "model", device="cpu")
    model = load_model(tmp_path / "model")
    assert model.training["windows"] == ["train", "validate"]
    assert model.training["epochs"] == summary["epochs"] == model.training["selection"]["epochs"]
    assert model.training["selection"]["windows"] == ["train"]
    assert model.training["seeds"] == summary["seeds"]
    rows = torch.cat([graph.seeds.rows("train"), graph.seeds.rows("validate")])
    assert summary["seeds"] == int((graph.seeds.settled[rows] < graph.schema.window("validate").end).sum())
    assert model.calibration.tasks["click"].scale != 1.0
    assert 0 <= summary["validate_auc_click"] <= 1
    assert len(summary["history"]) == summary["epochs_run"] <= TRAINING.epochs
    assert {path.name for path in tmp_path.iterdir()} == {"model"}


def test_an_interrupted_fit_goes_on(tmp_path: Path) -> None:
    graph = small_graph()
    fit(graph, MODEL, TRAINING, tmp_path / "whole", device="cpu")
    with pytest.raises(InterruptedError):
        fit(graph, MODEL, TRAINING, tmp_path / "broken", device="cpu", log=stop_after(2))
    fit(graph, MODEL, TRAINING, tmp_path / "broken", device="cpu")
    assert files(tmp_path / "broken") == files(tmp_path / "whole")
