"""A training run: what is validated, when it stops, which weights it keeps, how they are calibrated."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from models.calibration import Calibration
from models.configs.training import TrainedState, TrainingConfig
from models.nn.encoded import EncodedGraph, encode_graph
from models.nn.model import Ranker
from models.training import train as module
from models.training.artifact import load_model
from models.training.checkpoint import Checkpoints
from models.training.distributed import Ranks
from models.training.labels import known
from models.training.place import CheckpointPlace
from models.training.predict import score_rows
from models.training.schedule import begin
from models.training.train import Scope, TrainingRun, fingerprint, train
from tests.models.training.small import MODEL, TRAINING, small_graph

EARLY_STOPPING = Scope()


def run(config: TrainingConfig, scope: Scope = EARLY_STOPPING) -> TrainingRun:
    return TrainingRun(small_graph(), MODEL, config, scope)


def artifact(folder: Path, config: TrainingConfig, **given: Any) -> dict[str, Any]:
    """``training.json`` of a training."""
    return load_model(train(small_graph(), MODEL, config, folder / "model", device="cpu", **given)).training


@pytest.mark.parametrize(("state", "judged"), [("frozen", "frozen"), ("as_of", "as_of"), ("mixed", "as_of")])
def test_a_model_is_validated_and_calibrated_in_the_state_it_is_trained_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: TrainedState, judged: str
) -> None:
    """The scores of the epochs' validation, of the intercepts and of the calibration are those of that state."""
    scored, graph = [], small_graph()
    validate, learned = (known(graph, (window,)).tolist() for window in ("validate", "train"))

    def spy(ranker: Any, encoded: EncodedGraph, rows: Tensor, state: Any, largest_fan_out: Any) -> np.ndarray:
        scored.append((state, rows.tolist()))
        return score_rows(ranker, encoded, rows, state, largest_fan_out)

    monkeypatch.setattr(module, "score_rows", spy)
    artifact(tmp_path, replace(TRAINING, state=state, epochs=2))
    assert scored == [(judged, rows) for rows in (validate, validate, learned, validate)]


def test_the_calibration_is_fitted_on_the_best_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    aucs = iter([0.6, 0.5])
    monkeypatch.setattr(TrainingRun, "_validate", lambda *_: {"click": next(aucs)})
    graph = small_graph()
    model = load_model(train(graph, MODEL, replace(TRAINING, epochs=2), tmp_path / "model", device="cpu"))
    rows, encoded = known(graph, ("validate",)), encode_graph(model.encoding, model.schema, graph)
    logits = score_rows(model.ranker, encoded, rows)
    assert model.calibration == Calibration.fit(model.tasks, logits, graph.seeds.labels[rows].numpy())
    assert model.training["epochs"] == 1


def test_the_average_begins_at_the_pre_trained_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @torch.no_grad()
    def pretrain(ranker: Ranker, *_: Any) -> None:
        for parameter in ranker.parameters():
            parameter += 1.0

    monkeypatch.setattr(module, "pretrain", pretrain)
    training = run(replace(TRAINING, history_events=5))
    training._start(Checkpoints(CheckpointPlace(tmp_path / "checkpoint"), "run"))
    assert all(map(torch.equal, training.average.parameters(), training.trainer.ranker.parameters()))


def test_the_limit_of_the_artifact_is_that_of_its_best_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    aucs = iter([0.6, 0.5])
    monkeypatch.setattr(TrainingRun, "_validate", lambda *_: {"click": next(aucs)})
    training = artifact(tmp_path, replace(TRAINING, epochs=2), scope=Scope(largest_fan_outs=(1, 3)))
    assert (training["limits"], training["epochs"], training["limit"]) == ([1, 3], 1, 1)


@pytest.mark.parametrize(
    ("aucs", "patience", "best", "epochs"),
    [
        ([0.6, 0.5, 0.4, 0.3, 0.2], 0, 1, 2),
        ([0.6, 0.5, 0.4, 0.3, 0.2], 1, 1, 3),
        ([0.6, 0.5, 0.7, 0.6, 0.5], 1, 3, 5),
        ([0.5, 0.5, 0.5, 0.5, 0.5], 2, 1, 4),
        ([0.5, 0.6, 0.7, 0.8, 0.9], 0, 5, 5),
        ([math.nan] * 5, 0, 5, 5),
        ([0.5, math.nan, 0.4, 0.4, 0.4], 1, 2, 4),
    ],
)
def test_early_stopping_waits_for_patience_epochs(aucs: list[float], patience: int, best: int, epochs: int) -> None:
    """An epoch is better only with a higher AUC; one without an AUC counts as the best."""
    training = run(replace(TRAINING, epochs=5, patience=patience))
    given = iter(aucs)
    while not training._finished():
        training.progress.epoch += 1
        training.progress.largest_fan_outs.append(None)
        training._judge(next(given))
    assert (training.progress.best_epoch, training.progress.epoch) == (best, epochs)


def test_the_best_weights_are_a_copy() -> None:
    training = run(TRAINING)
    training.progress.epoch = 1
    training._judge(0.7)
    with torch.no_grad():
        for parameter in training.average.parameters():
            parameter += 1.0
    training._judge(0.6)
    assert training.progress.best_auc == 0.7
    assert all((training.average.state_dict()[name] != value).all() for name, value in training.best.items())


def test_a_fixed_number_of_epochs_ignores_the_configured_one(tmp_path: Path) -> None:
    training = artifact(tmp_path, replace(TRAINING, epochs=1), scope=Scope(epochs=2, largest_fan_outs=(1, 2)))
    assert (training["epochs"], training["epochs_run"], training["limits"], training["limit"]) == (2, 2, [1, 2], 2)
    assert not any(name.startswith("validate") for name in training["history"][0])
    assert [entry["neighbours"] for entry in training["history"]] == [1.0, 2.0]


@pytest.mark.parametrize(
    "change",
    [
        {"scope": Scope(("train", "validate"))},
        {"scope": Scope(epochs=2)},
        {"scope": Scope(largest_fan_outs=(1,))},
        {"model_config": replace(MODEL, layers=2)},
        {"training_config": replace(TRAINING, seed=8)},
        {"graph": 1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_fingerprint_tells_trainings_apart(change: dict[str, Any]) -> None:
    if "graph" in change:
        change = {"graph": small_graph(seed=1)}
    given = {"graph": small_graph(), "model_config": MODEL, "training_config": TRAINING, "scope": Scope()}
    assert fingerprint(**given) == fingerprint(**given) != fingerprint(**{**given, **change})


def test_the_encoding_is_fitted_before_the_end_of_the_last_window() -> None:
    both = run(TRAINING, Scope(("train", "validate"))).encoding
    later = small_graph().schema.window("validate").end
    assert both == type(both).fit(small_graph(), later)
    assert both != run(TRAINING).encoding


@pytest.mark.parametrize(
    ("adaptive", "scope", "grows"),
    [
        (True, Scope(), True),
        (False, Scope(), False),
        (True, Scope(epochs=2), False),
        (True, Scope(largest_fan_outs=(1,)), False),
    ],
)
def test_neighbors_grow_only_where_the_schedule_is_to_be_found(adaptive: bool, scope: Scope, grows: bool) -> None:
    config = replace(TRAINING, adaptive_neighbours=adaptive)
    assert run(config, scope).progress.neighbours == (begin(config, small_graph().schema) if grows else None)


def test_a_run_that_begins_removes_the_checkpoints_of_others_and_agrees_on_its_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agreed = []
    monkeypatch.setattr(Ranks, "agree", lambda _, *given: agreed.append(given))
    (tmp_path / "epoch_0007").mkdir()
    (tmp_path / "epoch_0007" / "progress.json").write_text('{"run": "another"}')
    run(TRAINING)._start(Checkpoints(CheckpointPlace(tmp_path), "run"))
    assert not tmp_path.exists()
    assert agreed == [("epochs done", 0, torch.device("cpu"))]


def test_the_other_processes_neither_validate_nor_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    training, calls = run(replace(TRAINING, epochs=1)), []
    training.processes = Ranks(1, 2)

    def share(_: Ranks, values: dict[str, float], device: torch.device) -> dict[str, float]:
        calls.append("share")
        assert all(map(math.isnan, values.values()))
        return dict.fromkeys(values, 0.75)

    monkeypatch.setattr(Ranks, "share", share)
    monkeypatch.setattr(Ranks, "agree", lambda *_: calls.append("agree"))
    monkeypatch.setattr(Ranks, "wait", lambda _: calls.append("wait"))
    training.execute(
        tmp_path / "model",
        Checkpoints(CheckpointPlace(tmp_path / "checkpoint"), "run"),
        log=lambda *_: calls.append("log"),
    )
    assert calls == ["wait", "agree", "share", "wait"]
    assert not list(tmp_path.iterdir())
    assert (training.progress.best_auc, training.progress.best_epoch) == (0.75, 1)
