import numpy as np

from models.counters.ragged import Ragged


def test_rows_of_different_lengths() -> None:
    rows = Ragged.of([[1, 2], [], [3]])
    assert len(rows) == 3
    assert rows.to_lists() == [[1, 2], [], [3]]
    assert rows.lengths.tolist() == [2, 0, 1]
    assert rows[-1].tolist() == [3]
    assert rows.take(np.array([2, 0, 0, 1])).to_lists() == [[3], [1, 2], [1, 2], []]


def test_a_slice_of_a_larger_array() -> None:
    rows = Ragged(np.array([1, 3, 3, 4]), np.array([9, 1, 2, 3, 9]))
    assert rows.to_lists() == [[1, 2], [], [3]]
    assert rows.take(np.array([2, 0])).to_lists() == [[3], [1, 2]]


def test_no_rows_and_empty_rows() -> None:
    assert Ragged.of([]).to_lists() == []
    assert Ragged.empty(2).to_lists() == [[], []]
    assert Ragged.empty(2).take(np.array([], dtype=np.int64)).to_lists() == []
