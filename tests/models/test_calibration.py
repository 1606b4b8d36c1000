import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import metrics
from models.calibration import LEAST_OF_A_CLASS, Calibration, Platt, _loss, fit_platt


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


def test_without_calibration_a_probability_is_the_sigmoid_and_stays_above_zero() -> None:
    assert Platt() == Platt(1.0, 0.0)
    found = Platt(2.0, -1.0).apply(np.array([[0.5], [1.5], [1e3], [-1e3]], np.float32))
    assert (found.shape, found.dtype) == ((4, 1), np.float64)
    np.testing.assert_allclose(found[:3, 0], [0.5, 1 / (1 + np.exp(-2.0)), 1.0], rtol=1e-12)
    assert found[3, 0] == pytest.approx(np.exp(-60.0), rel=1e-9)


@pytest.mark.parametrize("labels", [[1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 0.0]])
def test_logits_that_say_the_opposite_keep_their_order_at_the_base_rate(labels: list[float]) -> None:
    given = np.array(labels)
    logits = np.array([1.0, 2.0, 3.0, 8.0]) * (1 if given[-1] < given[0] else -1)
    found = fit_platt(logits, given)
    odds = given.sum() / (1 - given).sum()
    assert (found.scale, found.shift) == pytest.approx((1e-3, np.log(odds) - 1e-3 * logits.mean()), rel=1e-12)


def test_constant_logits_give_the_base_rate_and_undefined_rows_are_left_out() -> None:
    labels = np.array([1.0, 0.0, 0.0, 0.0, np.nan])
    found = fit_platt(np.array([0.7, 0.7, 0.7, 0.7, 50.0]), labels)
    assert (found.scale, found.shift) == pytest.approx((1e-3, np.log(1 / 3) - 0.7e-3))


@pytest.mark.parametrize("seed", range(3))
def test_the_fit_converges_from_any_scale_and_shift(seed: int) -> None:
    """Also where Newton's first step is too long: few clicks, and some logits far from the others."""
    random = np.random.default_rng(seed)
    logits = np.append(random.normal(100.0, 0.01, 400), [101.0, 103.0])
    labels = np.append((random.random(400) < 0.02).astype(float), [1.0, 1.0])
    labels[0] = 1.0
    found, positive = fit_platt(logits, labels), labels.sum()
    target = np.where(labels == 1, (positive + 1) / (positive + 2), 1 / (len(labels) - positive + 2))
    residual = 1 / (1 + np.exp(-(found.scale * logits + found.shift))) - target
    assert found.scale > 1e-3
    assert abs(residual.sum()) < 1e-6
    assert abs((residual * (logits - 100)).sum()) < 1e-6


def test_the_loss_is_the_mean_cross_entropy() -> None:
    logits, target = np.array([0.3, -2.0, 900.0]), np.array([0.2, 0.9, 1.0])
    chance = 1 / (1 + np.exp(-logits[:2]))
    each = -(target[:2] * np.log(chance) + (1 - target[:2]) * np.log(1 - chance))
    assert _loss(logits, target) == pytest.approx(each.sum() / 3)


def test_each_task_has_its_own_column() -> None:
    calibration = Calibration({"like": Platt(2.0, 1.0), "click": Platt(0.5, -1.0)})
    logits = np.random.default_rng(0).normal(size=(4, 3, 2))
    found = calibration.apply(logits)
    assert found.shape == (4, 3, 2)
    for place, platt in enumerate((Platt(2.0, 1.0), Platt(0.5, -1.0))):
        np.testing.assert_array_equal(found[..., place], platt.apply(logits[..., place]))
    labels = np.array([[1.0, np.nan], [0.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
    fitted = Calibration.fit(["like", "click"], logits[:, 0], labels)
    assert fitted.tasks == {t: fit_platt(logits[:, 0, p], labels[:, p]) for p, t in enumerate(("like", "click"))}


def test_cold_rows_have_a_scaling_of_their_own_where_there_are_enough() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(size=(2000, 2))
    labels = (random.random((2000, 2)) < 1 / (1 + np.exp(-logits - 1))).astype(float)
    labels[:, 1] = np.where(np.arange(2000) < 150, labels[:, 1], np.nan)
    few = int(min((labels[:, 1] == 0).sum(), (labels[:, 1] == 1).sum()))
    assert few < LEAST_OF_A_CLASS
    plain = Calibration({"click": Platt(2.0, 0.5), "like": Platt(0.5, 0.0)})
    found = plain.with_cold(logits, labels)
    assert found.tasks == plain.tasks
    assert list(found.cold) == ["click"]
    assert found.cold["click"] == fit_platt(logits[:, 0], labels[:, 0])
    cold = np.arange(2000) % 2 == 0
    chances, before = found.apply(logits, cold), plain.apply(logits)
    np.testing.assert_array_equal(chances[~cold], before[~cold])
    np.testing.assert_array_equal(chances[:, 1], before[:, 1])
    np.testing.assert_array_equal(chances[cold, 0], found.cold["click"].apply(logits[cold, 0]))
    np.testing.assert_array_equal(found.apply(logits), before)
    assert Calibration.from_json(json.loads(json.dumps(found.to_json()))) == found
    assert plain.with_cold(logits[:0], labels[:0]) == plain


def test_a_correction_scales_the_logits_of_the_probabilities_of_warm_and_cold_rows() -> None:
    calibration = Calibration({"click": Platt(2.0, 0.5), "like": Platt()}, cold={"click": Platt(1.0, -1.0)})
    more = Platt(0.5, 0.25)
    logits, cold = np.random.default_rng(0).normal(size=(6, 2)), np.arange(6) % 2 == 0
    served = calibration.apply(logits, cold)[:, 0]
    found = calibration.then({"click": more})
    np.testing.assert_allclose(found.apply(logits, cold)[:, 0], more.apply(np.log(served / (1 - served))))
    assert found.tasks["like"] == Platt()


def test_sampled_negatives_are_corrected_to_the_real_rate_by_an_offset_of_the_log_odds() -> None:
    """Of 200,000 rows all positives and every tenth negative are kept: the corrected probabilities are real."""
    random = np.random.default_rng(0)
    logits = random.normal(-3, 1, size=(200_000, 1))
    labels = (random.random((200_000, 1)) < 1 / (1 + np.exp(-logits))).astype(float)
    kept = (labels[:, 0] == 1) | (np.arange(200_000) % 10 == 0)
    fitted = Calibration.fit(["click"], logits[kept], labels[kept])
    found = fitted.at_rates({"click": float(labels.mean())}, labels[kept])
    assert found.offsets["click"] == pytest.approx(-np.log(10), abs=0.05)
    assert found.apply(logits).mean() == pytest.approx(labels.mean(), rel=0.02)
    np.testing.assert_allclose(found.apply(logits), 1 / (1 + np.exp(-logits)), rtol=0.1)
    np.testing.assert_array_equal(found.of_seeds().apply(logits), fitted.apply(logits))
    assert fitted.apply(logits[kept]).mean() == pytest.approx(labels[kept].mean(), rel=1e-3)
    cold = replace(found, cold={"click": Platt(0.5, 1.0)}).apply(logits, np.ones(len(logits), bool))
    np.testing.assert_array_equal(cold, Platt(0.5, 1.0 + found.offsets["click"]).apply(logits))
    assert Calibration.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_a_task_of_unknown_rate_is_relative_until_it_is_corrected_on_what_was_served() -> None:
    labels = np.array([[1.0, 1.0, np.nan], [0.0, 0.0, 1.0], [0.0, np.nan, 1.0]])
    plain = Calibration({"click": Platt(), "buy": Platt(2.0, 0.0), "like": Platt()})
    found = plain.at_rates({"click": None, "buy": 0.1}, labels)
    assert (found.relative, list(found.offsets)) == (("click",), ["buy"])
    assert found.offsets["buy"] == pytest.approx(np.log(1 / 9))
    assert Calibration.from_json(json.loads(json.dumps(found.to_json()))) == found
    assert "offsets" not in plain.to_json()
    logits, more = np.random.default_rng(0).normal(size=(5, 3)), Platt(0.5, 0.25)
    served = found.apply(logits)
    for task, place in (("click", 0), ("buy", 1)):
        corrected = found.then({task: more})
        odds = np.log(served[:, place] / (1 - served[:, place]))
        np.testing.assert_allclose(corrected.apply(logits)[:, place], more.apply(odds))
        assert task not in (*corrected.offsets, *corrected.relative)
        assert len([*corrected.offsets, *corrected.relative]) == 1
    one_class = plain.at_rates({"click": 0.1, "like": 0.1}, labels[1:])
    assert (one_class.offsets, one_class.relative) == ({}, ("click", "like"))


def test_a_correction_on_what_was_served_leaves_the_rows_to_judge_on_as_they_were() -> None:
    plain = Calibration({"click": Platt(2.0, 0.5), "like": Platt()}, cold={"click": Platt(1.0, -1.0)})
    labels = np.array([[1.0, 1.0], [0.0, 0.0]])
    logits, cold = np.random.default_rng(0).normal(size=(6, 2)), np.arange(6) % 2 == 0
    for rate in (0.1, None):
        sampled = plain.at_rates({"click": rate}, labels)
        served = sampled.then({"click": Platt(1.0, 0.3), "like": Platt(1.0, 0.2)}).then({"click": Platt(1.0, 0.1)})
        served = Calibration.from_json(json.loads(json.dumps(served.to_json())))
        judged = served.of_seeds().apply(logits, cold)
        np.testing.assert_array_equal(judged[:, 0], plain.apply(logits, cold)[:, 0])
        np.testing.assert_array_equal(judged[:, 1], served.apply(logits, cold)[:, 1])  # not sampled: as it is served
