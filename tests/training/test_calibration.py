import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import metrics
from models.training.calibration import Calibration, Platt, fit_platt


@given(st.floats(0.2, 3), st.floats(-2, 2), st.integers(0, 100))
@settings(max_examples=20, deadline=None)
def test_a_known_distortion_is_undone(scale: float, shift: float, seed: int) -> None:
    generator = np.random.default_rng(seed)
    truth = generator.normal(0, 1.5, 20_000)
    labels = (generator.random(len(truth)) < 1 / (1 + np.exp(-truth))).astype(float)
    found = fit_platt(truth / scale + shift, labels)
    assert found.scale == pytest.approx(scale, rel=0.1)
    assert metrics.ece(labels, found.apply(truth / scale + shift)) < 0.02


def test_the_fit_minimizes_the_log_loss_of_platt_s_targets() -> None:
    """Platt 1999: targets (n1 + 1) / (n1 + 2) and 1 / (n0 + 2); at the minimum the loss has no slope."""
    random = np.random.default_rng(0)
    logits = random.normal(1.0, 2.0, 60)
    labels = (random.random(60) < 1 / (1 + np.exp(-logits))).astype(float)
    found, positive = fit_platt(logits, labels), labels.sum()
    target = np.where(labels == 1, (positive + 1) / (positive + 2), 1 / (60 - positive + 2))
    residual = 1 / (1 + np.exp(-(found.scale * logits + found.shift))) - target
    assert found.scale > 0.1
    assert abs(residual.sum()) < 1e-6
    assert abs((residual * logits).sum()) < 1e-6


@pytest.mark.parametrize("labels", [[], [1.0, 1.0], [float("nan")] * 3])
def test_with_one_class_nothing_is_changed(labels: list[float]) -> None:
    assert fit_platt(np.zeros(len(labels)), np.array(labels)) == Platt()


def test_separable_and_inverted_logits_stay_finite_and_keep_their_order() -> None:
    logits, labels = np.linspace(-3, 3, 50), (np.linspace(-3, 3, 50) > 0).astype(float)
    for given_labels in (labels, 1 - labels):
        found = fit_platt(logits, given_labels).apply(logits)
        assert np.isfinite(found).all()
        assert (np.diff(found) > 0).all()


def test_json_and_back_keeps_the_order_of_tasks() -> None:
    calibration = Calibration({"like": Platt(2.0, 1.0), "click": Platt(0.5, -1.0)})
    again = Calibration.from_json(json.loads(json.dumps(calibration.to_json(), sort_keys=True)))
    assert list(again.tasks) == ["like", "click"]
    logits = np.random.default_rng(0).normal(size=(4, 3, 2))
    np.testing.assert_array_equal(again.apply(logits), calibration.apply(logits))
    assert Calibration.none(["click"]).apply(np.zeros((0, 1))).shape == (0, 1)
