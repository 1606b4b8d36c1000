import numpy as np
import pytest

from monitoring.statistics.canary import difference


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
