"""A task that gets worse no longer moves the weights; the final fit and a resumed training do the same."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from models.graph.schema import TaskColumn
from models.training.artifact import load_model
from models.training.fit import fit
from models.training.stopping import loss_weights, stop
from models.training.train import Scope, TrainingRun, train
from tests.models.training.small import MODEL, TRAINING, small_graph

TASKS = (TaskColumn("click", 1.0, primary=True), TaskColumn("dwell", 0.5, primary=False))


def _history(*aucs: float) -> list[dict[str, float]]:
    return [{"validate_auc_click": -auc, "validate_auc_dwell": auc} for auc in aucs]


@pytest.mark.parametrize(
    ("aucs", "expected"),
    [
        ((), {}),
        ((0.7,), {}),
        ((0.7, 0.6989), {}),
        ((0.7, 0.697), {"dwell": 2}),
        ((0.6, 0.7, 0.71, 0.6), {"dwell": 4}),
        ((0.7, math.nan), {}),
        ((math.nan, math.nan), {}),
    ],
)
def test_a_task_stops_after_the_epoch_in_which_it_fell(aucs: tuple[float, ...], expected: dict[str, int]) -> None:
    assert stop({}, _history(*aucs), TASKS, 0.002) == expected
    assert stop({}, _history(*aucs), TASKS, 1.0) == {}


def test_a_stopped_task_stays_stopped_and_the_primary_never_stops() -> None:
    assert stop({"dwell": 2}, _history(0.7, 0.6, 0.9), TASKS, 0.002) == {"dwell": 2}
    assert stop({}, [{"validate_auc_click": 0.9}, {"validate_auc_click": 0.1}], TASKS, 0.002) == {}
    assert [loss_weights(TASKS, {"dwell": 2}, epoch) for epoch in range(3)] == [(1.0, 0.5), (1.0, 0.5), (1.0, 0.0)]


def _falling(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, ...]]:
    """Validation in which clicks rise and dwells fall; returns the loss weights of every epoch that is run."""
    aucs, used = {"click": 0.5, "dwell": 0.8}, []
    original = TrainingRun._run_epoch

    def validate(self: TrainingRun, *_: Any) -> dict[str, float]:
        epoch = self.progress.epoch
        return {"click": aucs["click"] + 0.01 * epoch, "dwell": aucs["dwell"] - 0.01 * epoch}

    def run_epoch(self: TrainingRun) -> dict[str, float]:
        stopped = self.progress.stopped if self.scope.epochs is None else self.scope.stopped
        used.append(loss_weights(self.graph.schema.seeds.tasks, stopped, self.progress.epoch))
        return original(self)

    monkeypatch.setattr(TrainingRun, "_validate", validate)
    monkeypatch.setattr(TrainingRun, "_run_epoch", run_epoch)
    return used


def test_the_final_fit_repeats_the_schedule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    used = _falling(monkeypatch)
    fit(small_graph(), MODEL, TRAINING, tmp_path / "model", device="cpu")
    assert used == 2 * [(1.0, 0.5), (1.0, 0.5), (1.0, 0.0)]
    training = load_model(tmp_path / "model").training
    assert training["stopped"] == training["selection"]["stopped"] == {"dwell": 2}


def test_a_resumed_training_has_stopped_the_same_tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _falling(monkeypatch)
    whole = load_model(train(small_graph(), MODEL, TRAINING, tmp_path / "whole", device="cpu"))

    def interrupted(metrics: dict[str, float], epoch: int) -> None:
        if epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(small_graph(), MODEL, TRAINING, tmp_path / "again", device="cpu", log=interrupted)
    again = load_model(train(small_graph(), MODEL, TRAINING, tmp_path / "again", device="cpu"))
    assert again.training == whole.training
    assert all(map(torch.equal, whole.ranker.parameters(), again.ranker.parameters()))


def test_a_stopped_task_moves_no_weight(tmp_path: Path) -> None:
    """With the only other task stopped from the start, its labels change nothing but its own intercept."""
    graph = small_graph()
    other = replace(graph, seeds=replace(graph.seeds, labels=graph.seeds.labels * torch.tensor([1.0, 0.0])))
    scope = Scope(epochs=1, stopped={"dwell": 0})
    one, two = (
        load_model(train(each, MODEL, TRAINING, tmp_path / str(place), scope, device="cpu"))
        for place, each in enumerate((graph, other))
    )
    weights, others = (model.ranker.state_dict() for model in (one, two))
    assert torch.equal(weights["heads.tasks.bias"][0], others["heads.tasks.bias"][0])
    assert all(torch.equal(weights[name], others[name]) for name in weights if name != "heads.tasks.bias")
