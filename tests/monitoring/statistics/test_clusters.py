import numpy as np
import pytest

from monitoring.statistics import clusters


def test_the_error_of_a_mean_of_single_rows_is_the_textbooks() -> None:
    values = np.array([1.0, 2.0, 4.0, 9.0])
    found = clusters.ratio(values, np.ones(4), np.arange(4))
    assert found.value == 4.0
    assert found.error == pytest.approx(values.std(ddof=1) / 2)
    assert found.high - found.value == pytest.approx(3.182446 * found.error)  # t with 3 degrees of freedom


def test_rows_of_one_member_count_as_one() -> None:
    once = clusters.ratio(np.array([0.0, 1, 1]), np.ones(3), np.arange(3))
    repeated = clusters.ratio(np.repeat([0.0, 1, 1], 50), np.ones(150), np.repeat(["a", "b", "c"], 50))
    assert (repeated.value, repeated.clusters, repeated.rows) == (once.value, 3, 150)
    assert repeated.error == pytest.approx(once.error)


def test_nan_is_left_out_and_nothing_gives_nan() -> None:
    found = clusters.ratio(np.array([1.0, np.nan, 0.0]), np.ones(3), np.array([1, 2, 3]))
    assert (found.value, found.rows, found.clusters) == (0.5, 2, 2)
    empty = clusters.ratio(np.empty(0), np.empty(0), np.empty(0))
    assert np.isnan(empty.value)
    assert empty.rows == empty.clusters == 0
    one = clusters.ratio(np.ones(3), np.ones(3), np.zeros(3))
    assert one.value == 1.0
    assert np.isnan([one.low, one.high, one.error]).all()


def test_equal_shares_of_few_rows() -> None:
    assert clusters.share_error(0.2, 10, 40) == pytest.approx(np.sqrt(0.16 / 10 + 0.16 / 40))
    assert [clusters.share_error(*one) for one in ((0.0, 5, 5), (1.5, 5, 5), (0.5, 0, 5))] == [0, 0, 0]
    assert [clusters.is_few(*one) for one in ((0.1, 250, 25), (0.1, 249, 25), (0.9, 249, 25), (0.1, 250, 24))] == [
        *(False, True, True, True)
    ]


def test_unequal_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="one length"):
        clusters.ratio(np.ones(3), np.ones(2), np.ones(3))
