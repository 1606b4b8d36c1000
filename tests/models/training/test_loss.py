"""The loss of a step, a batch and a prediction, against plain formulas."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.nn.encoded import encode_graph
from models.nn.encoding import Encoding
from models.nn.model import Ranker
from models.time_units import HOUR
from models.training.batches import Batches, activity_age
from models.training.distributed import Ranks
from models.training.errors import DivergedError, ProcessError
from models.training.history import history_of
from models.training.predict import predict, score_rows, task_aucs
from models.training.slices import one_each
from models.training.step import Step, multi_task_loss
from tests.models.training.small import MODEL, TRAINING, small_graph, small_model
from tests.models.training.test_history import encoded as encoded_history
from tests.models.training.test_history import one_domain
from tests.models.training.test_step import STILL, ready


def test_the_loss_is_weighted_over_tasks_and_scaled_by_their_noise() -> None:
    """L = sum of w (exp(-s) mean(BCE) + s / 2) over tasks: Kendall, Gal, Cipolla 2018, equation 10."""
    logits = np.array([[0.5, -1.0], [2.0, 0.3], [-0.7, 1.5]])
    labels = np.array([[1.0, np.nan], [0.0, 1.0], [np.nan, np.nan]])
    weights, spread = np.array([2.0, 0.5]), np.array([0.4, -0.3])
    bce = np.log1p(np.exp(logits)) - labels * logits
    given = [torch.tensor(array) for array in (logits, labels, weights)]
    mean = np.nansum(bce, axis=0) / [2, 1]
    assert float(multi_task_loss(*given)) == pytest.approx((weights * mean).sum())
    expected = (weights * (np.exp(-spread) * mean + spread / 2)).sum()
    assert float(multi_task_loss(*given, spread=torch.tensor(spread))) == pytest.approx(expected)
    part = np.nansum(bce, axis=0) / [8, 4]  # of a step with 8 and 4 defined labels: a quarter of it
    expected = (weights * (np.exp(-spread) * part + spread / 2 / 4)).sum()
    found = multi_task_loss(*given, defined=torch.tensor([8, 4]), spread=torch.tensor(spread))
    assert float(found) == pytest.approx(expected)


@pytest.mark.parametrize("size", [1, 3])
def test_the_long_term_loss_counts_by_its_weight_per_member_state(size: int) -> None:
    graph = small_graph()
    ranker, encoded, slices = ready(graph, replace(STILL, long_term=2))
    slices = slices if size > 1 else one_each(slices.rows)
    assert (len(slices) < len(slices.rows)) == (size > 1)
    states, batches = torch.zeros(len(slices), dtype=torch.int64), Batches(encoded, STILL.activities)
    batch = batches.make(slices)
    tokens = ranker.activity_tokens(encoded, batch.activities, batch.member_time)
    age = activity_age(batch.activities, batch.member_time)
    long_term = float(ranker.long_term_loss(tokens, age, batch.activities.mask)) / len(slices)
    with_, without = (
        float(Step(ranker, batches, replace(TRAINING, long_term_weight=w), Ranks()).gradient(slices, states, 1))
        for w in (0.3, 0.0)
    )
    assert long_term > 0
    assert with_ - without == pytest.approx(0.3 * long_term, rel=1e-4)


def test_a_lag_makes_both_sides_older() -> None:
    graph = small_graph()
    encoding = Encoding.fit(graph, graph.schema.window("train").end)
    batches, rows = Batches(encode_graph(encoding, graph.schema, graph), 5), graph.seeds.rows("test")
    batch = batches.make(one_each(rows), lag=HOUR)
    assert torch.equal(batch.item.time, graph.seeds.time[rows] - HOUR)
    assert torch.equal(batch.member.time, graph.seeds.time[rows] - HOUR)
    frozen = batches.make(one_each(rows), "frozen", lag=HOUR)
    assert torch.equal(frozen.member_time, graph.seeds.frozen_time[rows] - HOUR)


def test_predictions_have_the_state_and_the_lag_of_the_call(tmp_path: Path) -> None:
    graph, rows = small_graph(), small_graph().seeds.rows("test")
    model = small_model(tmp_path, graph)
    assert not model.ranker.training
    encoded = encode_graph(model.encoding, model.schema, graph)
    found = [predict(model, graph, rows, state, lag=lag) for state in ("as_of", "frozen") for lag in (0, 40 * HOUR)]
    for probabilities, (state, lag) in zip(
        found, [("as_of", 0), ("as_of", 40 * HOUR), ("frozen", 0), ("frozen", 40 * HOUR)], strict=True
    ):
        logits = score_rows(model.ranker, encoded, rows, state, lag=lag)  # type: ignore[arg-type]
        np.testing.assert_array_equal(probabilities, model.calibration.apply(logits))
    assert all(not np.array_equal(found[0], other) for other in found[1:])


@pytest.mark.parametrize("mode", [True, False])
def test_scoring_restores_the_mode_of_the_ranker(mode: bool) -> None:
    graph = small_graph()
    encoding = Encoding.fit(graph, graph.schema.window("train").end)
    ranker = Ranker(MODEL, graph.schema, encoding).train(mode)
    encoded, rows = encode_graph(encoding, graph.schema, graph), graph.seeds.rows("test")[:5]
    one, two = (score_rows(ranker, encoded, rows) for _ in range(2))
    np.testing.assert_array_equal(one, two)  # without dropout
    assert ranker.training == mode


def test_a_logit_that_is_not_a_number_ends_validation() -> None:
    labels, logits = np.array([[1.0], [0.0]]), np.array([[0.3], [np.nan]])
    with pytest.raises(DivergedError, match="found NaN in 1 of 2 rows"):
        task_aucs(["click"], labels, logits)
    assert task_aucs(["click"], labels, np.array([[0.3], [0.1]])) == {"click": 1.0}


@pytest.mark.parametrize("first", [1.0, 3.0])
def test_processes_with_different_progress_do_not_go_on(monkeypatch: pytest.MonkeyPatch, first: float) -> None:
    monkeypatch.setattr(Ranks, "share", lambda _, values, device: dict.fromkeys(values, first))
    monkeypatch.setattr(Ranks, "wait", lambda _: None)
    with pytest.raises(ProcessError, match=f"epochs done: expected process 0's {first:g}; process 1 found 2"):
        Ranks(1, 2).agree("epochs done", 2, torch.device("cpu"))
    Ranks(1, 2).agree("epochs done", first, torch.device("cpu"))


def test_the_actions_of_pre_training_share_one_weight() -> None:
    history = history_of(*encoded_history(one_domain()), count=5)
    assert [task.weight for task in history.graph.schema.seeds.tasks] == [0.5, 0.5]
