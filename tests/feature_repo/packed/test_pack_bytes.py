"""Rows as bytes, by example: flags, nulls, slices, arrays with holes, damaged rows, the longest row."""

import logging
import struct
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from feature_repo.packed.errors import RowInputError
from feature_repo.packed.layout import Field, Layout, time_bytes
from feature_repo.packed.pack import FLAG_BATCH, UnpackedRows, _spans, pack, unpack
from models.counters.ragged import Ragged


def layout(*kinds: str) -> Layout:
    return Layout("view", (), tuple(Field(f"f{i}", kind) for i, kind in enumerate(kinds)))


def table(**columns: Any) -> pa.Table:
    rows = len(next(iter(columns.values())))
    return pa.table({"event": pa.array(range(rows), pa.int64()), **columns})


def lists(found: UnpackedRows, name: str) -> list[Any]:
    column = found.values[name]
    return column.to_lists() if isinstance(column, Ragged) else column.tolist()


def test_times_and_flags_are_where_the_layout_says() -> None:
    given = pa.table({"event": [258, -1], "made": [None, 5], "f0": [1.5, None]})
    plain, batch = pack(layout("float32"), given, "event", "made"), pack(layout("float32"), given, "event", None, 1)
    assert [row[:16] for row in plain] == [time_bytes(258) + bytes(8), time_bytes(-1) + time_bytes(5)]
    assert [row[8:16] for row in batch] == [bytes(8)] * 2
    assert (FLAG_BATCH, batch[0][20:24], plain[0][20:24]) == (1, b"\1\0\0\0", bytes(4))
    assert [row[24:32] for row in plain] == [b"\1" + bytes(7), bytes(8)]
    assert [len(row) for row in plain] == [40, 40]
    found = unpack(layout("float32"), plain)
    assert (found.flags.tolist(), found.created.tolist()) == ([0, 0], [-(2**63), 5])
    assert lists(found, "f0") == [1.5, 0.0]
    assert (found.complete, found.unreadable) == (False, 0)
    assert unpack(layout("float32"), plain[:1]).complete


def test_values_of_one_kind_keep_their_fields() -> None:
    kinds = layout("int32", "bool", "int32", "bool", "int32")
    columns = {"f0": [1, None], "f1": [True, False], "f2": [3, 4], "f3": [False, True], "f4": [5, 6]}
    rows = pack(kinds, table(**columns), "event")
    found = unpack(kinds, rows)
    assert {name: lists(found, name) for name in columns} == {**columns, "f0": [1, 0]}
    assert {name: valid.tolist() for name, valid in found.valid.items() if not valid.all()} == {"f0": [True, False]}


def test_slices_of_arrays_hold_their_own_elements() -> None:
    given = table(
        f0=pa.array([[9, None], [1, 2], None, [], [3]], pa.large_list(pa.int64())),
        f1=pa.array([["z"], ["a", "bc"], None, [], ["d"]], pa.list_(pa.string())),
        f2=pa.array([[b"z"], [b"a", b""], None, [], [b"d"]], pa.list_(pa.binary())),
    )
    kinds = layout("int64[]", "string[]", "bytes[]")
    rows = pack(kinds, given.slice(1), "event")
    found = unpack(kinds, rows)
    assert lists(found, "f0") == [[1, 2], [], [], [3]]
    assert lists(found, "f1") == [["a", "bc"], [], [], ["d"]]
    assert lists(found, "f2") == [[b"a", b""], [], [], [b"d"]]
    assert found.valid["f0"].tolist() == [True, False, True, True]
    assert rows[2][kinds.size :] == bytes(8)  # two empty arrays of texts: their counts
    assert rows[3][kinds.size :] == struct.pack("<q", 3) + b"\1\0\0\0\1\0\0\0d" * 2
    with pytest.raises(RowInputError, match=r"^view: expected no nulls inside the arrays of f0; found 1$"):
        pack(kinds, given, "event")


@pytest.mark.parametrize("values", [pa.array([1, 2, 3]), pa.array(["a", "b", "c"])])
def test_elements_behind_a_null_array_are_left_out(values: pa.Array) -> None:
    kinds = layout("int64[]" if pa.types.is_integer(values.type) else "string[]")
    mask, offsets = pa.array([False, True, False]), pa.array([0, 1, 2, 3], pa.int64())
    holes = pa.LargeListArray.from_arrays(offsets, values, mask=mask)
    rows = pack(kinds, table(f0=holes), "event")
    assert rows == pack(kinds, table(f0=pa.array([[values[0].as_py()], None, [values[2].as_py()]])), "event")
    assert lists(unpack(kinds, rows), "f0") == [[values[0].as_py()], [], [values[2].as_py()]]


def test_damaged_rows_are_missing_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    kinds = layout("string", "string", "int64")
    (row,) = pack(kinds, table(f0=pa.array([None], pa.string()), f1=["xy"], f2=[7]), "event")
    place = kinds.position("f0")
    assert struct.unpack_from("<4I", row, place) == (0, 0, kinds.size, 2)
    spans = [(5, 0, kinds.size, 2), (0, 2, kinds.size + 2, 0), (0, 0, kinds.size + 1, 2), (0, 0, kinds.size, 1)]
    damaged = [row[:place] + struct.pack("<4I", *some) + row[place + 16 :] for some in spans]
    with caplog.at_level(logging.WARNING):
        found = unpack(kinds, [row, *damaged, None, row[:16] + b"\0\0\0\0" + row[20:]])
    assert found.found.tolist() == [True, *[False] * 6]
    assert (found.unreadable, found.event_time.tolist()) == (5, [0] * 7)
    assert lists(found, "f1") == ["xy", *[""] * 6]
    assert lists(found, "f2") == [7, *[0] * 6]
    assert caplog.messages == ["view: 5 of 7 rows are damaged or of another layout: missing"]


def test_a_row_has_at_most_four_gigabytes() -> None:
    """Ranges stand in for bytes: only their lengths count."""
    kinds = layout("bytes", "bytes")
    longest, valid = 2**32 - 1 - kinds.size - 3, np.array([[True, True], [True, False]])
    tails: list[Any] = [[range(3), range(1)], [range(longest), range(0)]]
    expected = [[[kinds.size, 3], [kinds.size + 3, longest]], [[kinds.size, 1], [0, 0]]]
    assert _spans(kinds, valid, tails).tolist() == expected
    tails[1][0] = range(longest + 1)
    with pytest.raises(RowInputError, match=r"^view: expected rows of at most 4294967295 bytes; found 4294967296$"):
        _spans(kinds, valid, tails)


def test_no_rows_are_no_rows() -> None:
    kinds = layout("int64", "string", "float32[]")
    columns = {"f0": pa.nulls(0), "f1": pa.nulls(0), "f2": pa.nulls(0)}
    assert pack(kinds, table(**columns), "event") == []
    found = unpack(kinds, [])
    assert (found.found.tolist(), found.complete, lists(found, "f2")) == ([], True, [])
