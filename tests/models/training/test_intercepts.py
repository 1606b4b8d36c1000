from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.training.artifact import load_model
from models.training.intercepts import ROWS, intercepts, sample
from models.training.labels import known
from models.training.predict import predict
from models.training.train import Scope, train
from tests.models.training.small import MODEL, TRAINING, small_graph


@given(st.integers(0, 2**32 - 1), st.floats(-3, 3))
def test_mean_probability_and_mean_label_are_the_same_afterward(seed: int, shift: float) -> None:
    random = np.random.default_rng(seed)
    logits = random.normal(shift, 2, (200, 2))
    labels = (random.random((200, 2)) < 0.3).astype(np.float32)
    labels[random.random((200, 2)) < 0.2] = np.nan
    aligned = 1 / (1 + np.exp(-(logits + intercepts(logits, labels))))
    for place in range(2):
        defined = ~np.isnan(labels[:, place])
        assert aligned[defined, place].mean() == pytest.approx(labels[defined, place].mean(), abs=1e-6)


def test_far_logits_do_not_overflow() -> None:
    with np.errstate(all="raise"):
        assert abs(intercepts(np.array([[-900.0], [900.0]]), np.array([[0.0], [1.0]]))[0]) <= 20


@pytest.mark.parametrize("labels", [np.ones((4, 1)), np.zeros((4, 1)), np.full((4, 1), np.nan), np.zeros((0, 1))])
def test_a_task_of_one_class_or_without_rows_keeps_its_intercept(labels: np.ndarray) -> None:
    assert intercepts(np.ones(labels.shape), labels).tolist() == [0.0]


def test_a_sample_is_spread_over_all_rows() -> None:
    few, many = torch.arange(5), torch.arange(10 * ROWS)
    assert sample(few) is few
    assert len(sample(many)) == ROWS
    assert sample(many)[[0, -1]].tolist() == [0, 10 * ROWS - 1]
    assert len(sample(many[:0])) == 0


@pytest.mark.parametrize("scope", [Scope(), Scope(("train", "validate"), epochs=1)], ids=["selection", "final"])
def test_a_trained_network_predicts_the_rate_of_the_rows_it_learned_from(tmp_path: Path, scope: Scope) -> None:
    graph = small_graph()
    model = load_model(train(graph, MODEL, TRAINING, tmp_path / "model", scope, device="cpu"))
    rows = known(graph, scope.windows)
    found, labels = predict(model, graph, rows, calibrated=False), graph.seeds.labels[rows].numpy()
    for place in range(labels.shape[1]):
        defined = ~np.isnan(labels[:, place])
        assert found[defined, place].mean() == pytest.approx(labels[defined, place].mean(), abs=1e-5)
