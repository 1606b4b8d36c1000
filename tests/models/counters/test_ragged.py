from dataclasses import FrozenInstanceError

import numpy as np
import pytest

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


def test_an_empty_array_holds_no_values_of_its_type() -> None:
    empty = Ragged.empty(2, np.float32)
    assert (empty.values.shape, empty.values.dtype, empty.offsets.tolist()) == ((0,), np.float32, [0, 0, 0])
    assert (empty.starts.tolist(), empty.ends.tolist()) == ([0, 0], [0, 0])


def test_an_array_equals_itself_alone_and_cannot_be_exchanged() -> None:
    rows = Ragged.of([[1, 2], [3]])
    assert rows == rows
    assert rows != Ragged.of([[1, 2], [3]])
    with pytest.raises(FrozenInstanceError):
        rows.values = rows.offsets  # type: ignore[misc]
