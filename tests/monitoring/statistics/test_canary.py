import numpy as np
import pytest

from monitoring.statistics.canary import difference, share_of_the_other


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


def test_only_rows_of_one_block_are_compared() -> None:
    """The champion's good morning, in which there was no canary, is no loss of the canary's."""
    values = np.array([1.0, 1, 1, 0, 1, 0, 0, 1])
    canary, hour = np.arange(8) > 5, np.array([9, 9, 9, 20, 20, 20, 20, 20])
    found = difference(values, canary, np.arange(8), hour)
    assert found.champion.rows + found.canary.rows == found.difference.rows == 5
    assert found.champion.value == pytest.approx(1 / 3)
    assert found.difference.value == pytest.approx(1 / 2 - 1 / 3)
    alone = difference(values, canary, np.arange(8), np.where(canary, 20, 9))
    assert np.isnan([alone.champion.value, alone.difference.value, alone.difference.error]).all()


def test_shares_that_change_from_hour_to_hour_favor_nobody() -> None:
    """Nine of ten rows of the canary are in the evening, in which all click less."""
    rng = np.random.default_rng(7)
    hour = rng.integers(0, 2, 20_000)
    canary = rng.random(20_000) < np.where(hour == 1, 0.9, 0.1)
    values = (rng.random(20_000) < np.where(hour == 1, 0.1, 0.4)).astype(float)
    member = rng.integers(0, 2000, 20_000)
    naive, found = difference(values, canary, member).difference, difference(values, canary, member, hour).difference
    assert naive.high < -0.2
    assert found.low < 0 < found.high


def test_equal_shares_in_all_blocks_change_nothing() -> None:
    rng = np.random.default_rng(8)
    hour, canary = np.repeat(np.arange(10), 40), np.tile(np.arange(40) < 8, 10)
    values, member = (rng.random(400) < 0.3).astype(float), rng.integers(0, 50, 400)
    plain, found = difference(values, canary, member), difference(values, canary, member, hour)
    assert found.difference.value == pytest.approx(plain.difference.value, abs=1e-12)
    assert found.difference.error == pytest.approx(plain.difference.error, abs=1e-12)


def test_a_rows_weight_is_the_share_of_the_other_version() -> None:
    weights = share_of_the_other(np.array([True, False, False, True]), np.array([0, 0, 0, 2]))
    assert weights.tolist() == pytest.approx([2 / 3, 1 / 3, 1 / 3, 0])
    assert share_of_the_other(np.empty(0, dtype=bool), np.empty(0, dtype=np.int64)).tolist() == []
