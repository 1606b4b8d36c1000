import numpy as np
import pytest

from models import metrics
from models.bootstrap import UserBootstrap
from monitoring.statistics.ranking import auc_interval, entropy_interval


def rows(count: int = 2000, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, probabilities and members: members differ, so their rows are alike."""
    rng = np.random.default_rng(seed)
    member = rng.integers(0, count // 20, count)
    logit = -1.5 + rng.standard_normal(count) + 1.5 * rng.standard_normal(count // 20)[member]
    labels = (rng.random(count) < 1 / (1 + np.exp(-logit))).astype(float)
    return labels, np.round(1 / (1 + np.exp(-logit - rng.standard_normal(count))), 2), member


def test_the_variance_is_delongs_where_every_row_is_its_own_member() -> None:
    labels, scores = np.array([1.0, 1, 0, 0, 0, 1]), np.array([0.9, 0.4, 0.4, 0.3, 0.8, 0.7])
    found = auc_interval(labels, scores, np.arange(6))
    wins = (scores[labels == 1][:, None] > scores[labels == 0]) + 0.5 * (
        scores[labels == 1][:, None] == scores[labels == 0]
    )
    parts = [wins.mean(axis=axis) - wins.mean() for axis in (1, 0)]  # structural components, (positives,) (negatives,)
    assert found.value == pytest.approx(wins.mean())
    assert found.error**2 == pytest.approx(6 / 5 * sum((part**2).sum() / 9 for part in parts))


@pytest.mark.parametrize(("metric", "interval"), [("auc", auc_interval), ("normalised_entropy", entropy_interval)])
def test_value_and_error_are_those_of_the_bootstrap_of_members(metric: str, interval: object) -> None:
    labels, scores, member = rows()
    found = interval(labels, scores, member)  # type: ignore[operator]
    draws = UserBootstrap(member, n=400).draws(metric, labels, scores)  # type: ignore[arg-type]
    assert found.value == pytest.approx(getattr(metrics, metric)(labels, scores))
    assert found.error == pytest.approx(draws.std(), rel=0.15)
    assert found.low < found.value < found.high


@pytest.mark.parametrize("interval", [auc_interval, entropy_interval])
def test_rows_that_are_pending_change_nothing(interval: object) -> None:
    labels, scores, member = rows(400)
    more = (np.r_[labels, np.full(50, np.nan)], np.r_[scores, np.ones(50)], np.r_[member, np.full(50, 9999)])
    assert interval(*more) == interval(labels, scores, member)  # type: ignore[operator]


@pytest.mark.parametrize("interval", [auc_interval, entropy_interval])
@pytest.mark.parametrize("labels", [[], [1.0, 1.0], [0.0, 0.0], [np.nan, 1.0]])
def test_one_class_or_no_rows_is_undefined(interval: object, labels: list[float]) -> None:
    found = interval(np.array(labels), np.full(len(labels), 0.3), np.arange(len(labels)))  # type: ignore[operator]
    assert np.isnan([found.value, found.low, found.high]).all()


def test_all_scores_equal_is_one_half() -> None:
    assert auc_interval(np.array([1.0, 0, 0, 1]), np.full(4, 0.2), np.arange(4)).value == 0.5


def test_a_perfect_order_keeps_an_interval() -> None:
    labels = np.r_[np.ones(5), np.zeros(50)]
    best, worst = (auc_interval(labels, sign * labels, np.arange(55)) for sign in (1, -1))
    assert (best.value, best.low, best.high) == pytest.approx((1.0, 0.05 ** (1 / 5), 1.0))
    assert (worst.value, worst.low, worst.high) == pytest.approx((0.0, 0.0, 1 - 0.05 ** (1 / 5)))


def test_an_interval_ends_at_one() -> None:
    found = auc_interval(np.array([1.0, 1, 0, 0, 0]), np.array([0.9, 0.5, 0.6, 0.1, 0.2]), np.arange(5))
    assert found.value + found.error > 1
    assert found.high == 1.0


def test_the_interval_covers_the_truth_although_rows_of_a_member_are_alike() -> None:
    truth = auc_interval(*rows(200_000, seed=99)).value
    found = [auc_interval(*rows(1000, seed)) for seed in range(100)]
    assert 0.9 <= np.mean([one.low <= truth <= one.high for one in found]) <= 0.99
