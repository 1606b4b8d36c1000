import numpy as np
import pytest

from monitoring.statistics.canary import difference, snips


def test_the_difference_of_separate_members_has_both_variances() -> None:
    values, canary = np.array([1.0, 0, 0, 1, 1, 0, 1, 1]), np.arange(8) > 3
    found = difference(values, canary, np.arange(8))
    assert (found.champion.value, found.canary.value) == (0.5, 0.75)
    assert (found.difference.value, found.relative) == (0.25, 0.5)
    assert found.difference.error**2 == pytest.approx(8 / 7 * (values[:4].var() / 4 + values[4:].var() / 4))


def test_what_a_member_does_in_both_versions_is_no_difference() -> None:
    taste = np.random.default_rng(0).random(50)
    found = difference(np.r_[taste, taste + 0.01], np.arange(100) > 49, np.tile(np.arange(50), 2))
    assert found.difference.value == pytest.approx(0.01)
    assert found.difference.error < 1e-9


def test_pending_rows_and_a_version_without_rows() -> None:
    found = difference(np.array([1.0, np.nan, 0.0]), np.array([False, True, False]), np.arange(3))
    assert found.champion.value == 0.5
    assert np.isnan([found.canary.value, found.difference.value, found.difference.low, found.relative]).all()
    assert np.isnan(difference(np.empty(0), np.empty(0, dtype=bool), np.empty(0)).difference.value)


def test_the_interval_of_equal_versions_covers_zero_as_often_as_it_says() -> None:
    rng, covered = np.random.default_rng(3), []
    for _ in range(150):
        member = rng.integers(0, 100, 1000)
        values = rng.random(1000) < rng.beta(1, 4, 100)[member]
        found = difference(values, member % 2 == 0, member).difference
        covered.append(found.low <= 0 <= found.high)
    assert 0.91 <= np.mean(covered) <= 0.99


def test_snips_is_the_weighted_mean_of_the_formula() -> None:
    rewards, logged = np.array([1.0, 0, 1, 0]), np.array([0.5, 0.25, 1.0, 0.01])
    found = snips(rewards, np.array([1.0, 1, 0, 1]), logged, np.arange(4), bound=10.0)
    weights = np.array([2.0, 4, 0, 10])
    assert found.estimate.value == pytest.approx(2 / 16)
    assert found.effective == pytest.approx(16**2 / (weights**2).sum())
    assert (found.mean_weight, found.clipped) == (4.0, 0.25)
    influence = weights * (rewards - 2 / 16) / 16
    assert found.estimate.error == pytest.approx(np.sqrt(4 / 3 * (influence**2).sum()))


def test_snips_finds_the_rate_of_a_version_that_was_not_shown() -> None:
    rng, covered = np.random.default_rng(4), []
    rate = np.array([0.1, 0.3, 0.6])
    for _ in range(100):
        item = rng.choice(3, 2000, p=[0.7, 0.2, 0.1])
        found = snips(
            (rng.random(2000) < rate[item]).astype(float),
            np.array([0.1, 0.2, 0.7])[item],
            np.array([0.7, 0.2, 0.1])[item],
            np.arange(2000),
        )
        covered.append(found.estimate.low <= 0.49 <= found.estimate.high)
    assert 0.9 <= np.mean(covered) <= 0.99
    assert found.mean_weight == pytest.approx(1, abs=0.15)


def test_rows_without_propensity_or_label_are_left_out() -> None:
    nan = np.nan
    found = snips(np.array([1.0, nan, 0]), np.ones(3), np.array([0.5, 0.5, nan]), np.arange(3))
    assert (found.estimate.rows, found.estimate.value, found.effective) == (1, 1.0, 1.0)
    empty = snips(np.empty(0), np.empty(0), np.empty(0), np.empty(0))
    assert np.isnan(empty.estimate.value)
    assert empty.effective == 0


@pytest.mark.parametrize(("target", "logged", "bound"), [(0.5, 0.0, 1.0), (1.5, 0.5, 1.0), (0.5, 0.5, 0.0)])
def test_impossible_probabilities_are_refused(target: float, logged: float, bound: float) -> None:
    with pytest.raises(ValueError, match="expected"):
        snips(np.ones(1), np.full(1, target), np.full(1, logged), np.zeros(1), bound=bound)
