from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.configs.model import ModelConfig
from models.training.artifact import load_model
from models.training.errors import CheckpointError, DivergedError, NoSeedsError
from models.training.labels import labelled
from models.training.predict import predict
from models.training.step import multi_task_loss
from models.training.train import Log, Scope, TrainingRun, train
from tests.models.training.small import MODEL, TRAINING, small_graph


def stop_after(epoch: int) -> Log:
    def log(metrics: dict[str, float], now: int) -> None:
        if now == epoch:
            raise InterruptedError

    return log


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


SHARED = replace(MODEL, experts=4, task_weighting="uncertainty", long_term=2, id_dropout=0.5)
"""What configs/kuairand.yaml switches on, beside a moving average of the weights and mixed states."""


@pytest.mark.parametrize("config", [MODEL, SHARED], ids=["plain", "experts"])
def test_the_same_seed_gives_the_same_model_and_metrics_and_another_seed_another(
    tmp_path: Path, config: ModelConfig
) -> None:
    one, two, other = (
        train(small_graph(), config, replace(TRAINING, averaging=0.99, seed=seed), tmp_path / name, device="cpu")
        for name, seed in (("one", 7), ("two", 7), ("other", 8))
    )
    assert files(one) == files(two)
    assert load_model(one).training["history"] != load_model(other).training["history"]
    assert files(one)["model.safetensors"] != files(other)["model.safetensors"]


def test_training_leaves_the_draw_member_states_as_it_was(tmp_path: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    train(small_graph(), MODEL, TRAINING, tmp_path / "model", scope=Scope(epochs=1), device="cpu")
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(
    ("model", "changes"),
    [
        (MODEL, {}),
        (MODEL, {"averaging": 0.9}),
        (MODEL, {"slice": 4, "accumulate": 2}),
        (MODEL, {"precision": "bfloat16"}),
        (SHARED, {"averaging": 0.99, "state": "mixed"}),
    ],
    ids=["plain", "averaging", "slices", "bfloat16", "experts"],
)
def test_an_interrupted_run_ends_like_one_without_a_break(
    tmp_path: Path, model: ModelConfig, changes: dict[str, Any]
) -> None:
    config = replace(TRAINING, **changes)
    whole = train(small_graph(), model, config, tmp_path / "whole", device="cpu")
    for epoch in (1, 2):
        with pytest.raises(InterruptedError):
            train(small_graph(), model, config, tmp_path / "broken", device="cpu", log=stop_after(epoch))
        assert not (tmp_path / "broken").exists()
        assert (tmp_path / "checkpoint").exists()
    broken = train(small_graph(), model, config, tmp_path / "broken", device="cpu")
    assert files(broken) == files(whole)
    assert not (tmp_path / "checkpoint").exists()


def test_a_checkpoint_of_another_run_is_not_continued(tmp_path: Path) -> None:
    with pytest.raises(InterruptedError):
        train(small_graph(), MODEL, TRAINING, tmp_path / "model", device="cpu", log=stop_after(1))
    other = replace(TRAINING, seed=8)
    epochs: list[int] = []
    train(small_graph(), MODEL, other, tmp_path / "model", device="cpu", log=lambda _, epoch: epochs.append(epoch))
    assert epochs[0] == 1


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(InterruptedError):
        train(small_graph(), MODEL, TRAINING, tmp_path / "model", device="cpu", log=stop_after(1))
    (tmp_path / "checkpoint" / "epoch_0001" / "weights.safetensors").write_bytes(b"no tensors")
    with pytest.raises(CheckpointError, match="epoch_0001: expected a whole checkpoint"):
        train(small_graph(), MODEL, TRAINING, tmp_path / "model", device="cpu")
    train(small_graph(), MODEL, TRAINING, tmp_path / "model", scope=Scope(epochs=1), device="cpu")


def test_the_best_epoch_is_kept_and_training_stops_without_progress(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aucs = iter([0.6, 0.7, 0.65, 0.64, 0.9])
    monkeypatch.setattr(TrainingRun, "_validate", lambda *_: {"click": next(aucs)})
    config = replace(TRAINING, epochs=5, patience=1)
    stopped = load_model(train(small_graph(), MODEL, config, tmp_path / "stopped", device="cpu"))
    assert (stopped.training["epochs"], stopped.training["epochs_run"]) == (2, 4)
    fixed = load_model(train(small_graph(), MODEL, config, tmp_path / "fixed", scope=Scope(epochs=2), device="cpu"))
    rows = small_graph().seeds.rows("test")
    np.testing.assert_array_equal(
        predict(stopped, small_graph(), rows, calibrated=False), predict(fixed, small_graph(), rows, calibrated=False)
    )


def test_it_learns_what_the_fake_graph_holds(tmp_path: Path) -> None:
    from models.graph.fakes import fake_graph

    graph = fake_graph(members=60, items=30, impressions=6000)
    logged: list[dict[str, float]] = []
    config = replace(TRAINING, epochs=8, patience=8, averaging=0.9)
    train(graph, MODEL, config, tmp_path / "model", device="cpu", log=lambda metrics, _: logged.append(metrics))
    assert logged[-1]["train_loss"] < logged[0]["train_loss"]
    assert max(entry["validate_auc_click"] for entry in logged) > 0.65
    assert {"train_loss", "seeds_per_second", "validate_auc_click", "validate_auc_dwell"} <= set(logged[0])


def test_undefined_labels_do_not_count() -> None:
    weights = torch.tensor([1.0, 0.5])
    logits = torch.tensor([[1.0, 2.0], [-1.0, 0.0]], requires_grad=True)
    loss = multi_task_loss(logits, torch.tensor([[1.0, float("nan")], [0.0, 1.0]]), weights)
    expected = torch.nn.functional.softplus(torch.tensor(-1.0)) + 0.5 * torch.log(torch.tensor(2.0))
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert logits.grad is not None
    assert logits.grad[0, 1] == 0
    nothing = multi_task_loss(logits, torch.full((2, 2), float("nan")), weights)
    assert nothing == 0


def test_windows_without_labels_are_refused(tmp_path: Path) -> None:
    seeds = replace(small_graph().seeds, labels=torch.full_like(small_graph().seeds.labels, float("nan")))
    with pytest.raises(NoSeedsError, match="windows train, validate: expected one or more with a label"):
        train(
            replace(small_graph(), seeds=seeds), MODEL, TRAINING, tmp_path / "model", scope=Scope(("train", "validate"))
        )
    assert not (tmp_path / "model").exists()


def test_without_a_validation_window_the_last_epoch_is_kept(tmp_path: Path) -> None:
    seeds = small_graph().seeds
    window = torch.where(seeds.window == seeds.windows.index("validate"), seeds.windows.index("gate"), seeds.window)
    graph = replace(small_graph(), seeds=replace(seeds, window=window))
    model = load_model(train(graph, MODEL, replace(TRAINING, epochs=2), tmp_path / "model", device="cpu"))
    assert model.training["epochs"] == 2


def test_a_loss_that_is_no_number_stops_training(tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match=r"expected a finite number; found .*learning_rate"):
        train(small_graph(), MODEL, replace(TRAINING, learning_rate=float("inf")), tmp_path / "model", device="cpu")


@given(st.lists(st.integers(-2, 2), min_size=1, max_size=30))
@settings(max_examples=30, deadline=None)
def test_labels_that_settle_at_the_end_of_the_windows_or_later_are_not_trained_on(hours: list[int]) -> None:
    graph = small_graph()
    rows, end = graph.seeds.rows("train"), graph.schema.window("train").end
    settled = graph.seeds.settled.clone()
    settled[rows] = end - 1
    changed = rows[: len(hours)]
    settled[changed] = end + torch.tensor(hours)[: len(changed)]
    found = labelled(replace(graph, seeds=replace(graph.seeds, settled=settled)), ("train",))
    late = changed[torch.tensor(hours)[: len(changed)] >= 0]
    has_label = ~torch.isnan(graph.seeds.labels[rows]).all(dim=1)
    assert set(found.tolist()) == set(rows[has_label].tolist()) - set(late.tolist())
