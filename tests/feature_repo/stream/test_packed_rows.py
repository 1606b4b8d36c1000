"""Packed rows as plain values, there and back."""

from dataclasses import FrozenInstanceError

import pytest

from feature_repo.packed.layout import Field, Key, Layout
from feature_repo.packed.pack import FLAG_BATCH
from feature_repo.stream.packed_rows import Row, layout, read_rows, write_rows
from feature_repo.stream.plan import StoredView

LAYOUT = Layout(
    "v", (Key("k", "int64"),), (Field("count", "int64"), Field("last", "int64[]"), Field("name", "string")), 5
)
FULL = {"count": 3, "last": [1, 2], "name": "a"}


def test_rows_come_back_in_their_places() -> None:
    rows = [Row(-7, 0, FULL), Row(2**60, 0, {"count": None, "last": [], "name": None})]
    first, second = write_rows(LAYOUT, rows)
    (other,) = write_rows(Layout("v", LAYOUT.keys, LAYOUT.fields[:1], None), [Row(1, 0, {"count": 1})])
    assert read_rows(LAYOUT, [None, first, other, second]) == [None, rows[0], None, rows[1]]
    (row,) = read_rows(LAYOUT, [first])
    assert row is not None
    assert [type(value) for value in row.values.values()] == [int, list, str]
    assert read_rows(LAYOUT, []) == []


def test_rows_have_the_flags_that_are_asked_for() -> None:
    (packed,) = write_rows(LAYOUT, [Row(7, 0, FULL)], FLAG_BATCH)
    assert read_rows(LAYOUT, [packed]) == [Row(7, FLAG_BATCH, FULL)]


def test_a_layout_is_built_from_plain_values() -> None:
    stored = StoredView((("k", "int64"),), (("count", "int64"), ("last", "int64[]"), ("name", "string")), 5)
    assert layout("v", stored) == LAYOUT


def test_a_row_does_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        Row(7, 0, FULL).time = 8  # type: ignore[misc]
