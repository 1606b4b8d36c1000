"""Columns of any Arrow type in the form of their kind: cast where nothing is parsed, otherwise refused."""

from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from feature_repo.packed.arrow import arrow_type, column_of, cut
from feature_repo.packed.errors import RowInputError

GIVEN: list[tuple[pa.Array, str, list[Any]]] = [
    (pa.nulls(2), "float32", [None, None]),
    (pa.nulls(2), "string[]", [None, None]),
    (pa.array([[], [None]], pa.list_(pa.null())), "float32[]", [[], [None]]),
    (pa.array([1, 2], pa.int8()), "float64", [1.0, 2.0]),
    (pa.array([1.0, None], pa.float32()), "int32", [1, None]),
    (pa.array([True, False]), "int64", [1, 0]),
    (pa.array(["a"], pa.string()), "string", ["a"]),
    (pa.array(["a"], pa.string_view()), "string", ["a"]),
    (pa.array(["a", "a"]).dictionary_encode(), "string", ["a", "a"]),
    (pa.array([b"a"], pa.binary()), "bytes", [b"a"]),
    (pa.array([[1, 2]], pa.list_(pa.int32(), 2)), "int64[]", [[1, 2]]),
    (pa.array([["a"]], pa.list_(pa.string())), "string[]", [["a"]]),
]
REFUSED = [
    (pa.array(["1"]), "int64"),
    (pa.array([1]), "string"),
    (pa.array([b"a"]), "string"),
    (pa.array(["a"]), "bytes"),
    (pa.array([["1"]]), "int64[]"),
    (pa.array([[b"a"]]), "string[]"),
    (pa.array([1]), "timestamp"),
    (pa.array([date(2026, 1, 1)]), "int64"),
    (pa.array([1.5]), "int32"),
    (pa.array([2**31]), "int32"),
]


@pytest.mark.parametrize(("column", "kind", "values"), GIVEN)
def test_columns_are_cast_to_their_kind(column: pa.Array, kind: str, values: list[Any]) -> None:
    found = column_of(pa.table({"f": pa.chunked_array([column[:1], column[1:]])}), "f", kind, "v")
    assert found.type == arrow_type(kind)
    assert found.to_pylist() == values


@pytest.mark.parametrize(("column", "kind"), REFUSED)
def test_columns_of_other_types_are_refused(column: pa.Array, kind: str) -> None:
    with pytest.raises(RowInputError, match=rf"^v: expected {kind.replace('[', '.').replace(']', '.')} in column f; "):
        column_of(pa.table({"f": column}), "f", kind, "v")


def test_times_lose_their_nanoseconds() -> None:
    column = pa.array([1_999, None], pa.timestamp("ns"))
    assert column_of(pa.table({"f": column}), "f", "timestamp", "v").cast(pa.int64()).to_pylist() == [1, None]
    days = pa.table({"f": pa.array([date(1970, 1, 2)])})
    assert column_of(days, "f", "timestamp", "v").cast(pa.int64()).to_pylist() == [86_400_000_000]


def test_a_column_must_be_there_once() -> None:
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["f", "f"])
    with pytest.raises(RowInputError, match=r"^v: expected one column f; found f, f$"):
        column_of(twice, "f", "int64", "v")
    with pytest.raises(RowInputError, match=r"^v: expected one column g; found f, f$"):
        column_of(twice, "g", "int64", "v")


def test_rows_of_a_block_are_cut() -> None:
    assert cut(np.arange(6, dtype=np.uint8).reshape(2, 3)) == [b"\0\1\2", b"\3\4\5"]
    assert cut(np.empty((0, 3), np.uint8)) == []
