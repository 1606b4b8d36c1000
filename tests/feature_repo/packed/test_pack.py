"""Rows as bytes: everything comes back, nothing is mistaken for something else."""

import struct
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.packed.arrow import arrow_type
from feature_repo.packed.layout import TIMES_BYTES, Field, Key, Layout
from feature_repo.packed.pack import FLAG_BATCH, UnpackedRows, pack, unpack
from feature_repo.stores.errors import RowInputError
from models.counters.ragged import Ragged

SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "int64": st.integers(-(2**63), 2**63 - 1),
    "timestamp": st.integers(-(2**60), 2**60),
    "float64": st.floats(),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "float32": st.floats(width=32),
    "bool": st.booleans(),
    "string": st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    "bytes": st.binary(max_size=5),
}
KINDS = [*SCALARS, *(f"{kind}[]" for kind in SCALARS)]
MOMENT = st.integers(-(2**62), 2**62)
LAYOUT = Layout("view", (Key("key", "int64"),), tuple(Field(f"f{i:02}", kind) for i, kind in enumerate(KINDS)))


def values(kind: str) -> st.SearchStrategy[Any]:
    one = SCALARS[kind.removesuffix("[]")]
    return st.none() | (st.lists(one, max_size=3) if kind.endswith("[]") else one)


ROW = st.fixed_dictionaries(
    {"event": MOMENT, "created": st.none() | MOMENT, **{field.name: values(field.kind) for field in LAYOUT.fields}}
)


def table(rows: list[dict[str, Any]], layout: Layout = LAYOUT) -> pa.Table:
    types = {"event": pa.int64(), "created": pa.int64()}
    types |= {field.name: arrow_type(field.kind) for field in layout.fields}
    return pa.table({name: pa.array([row[name] for row in rows], kind) for name, kind in types.items()})


def plain(columns: UnpackedRows, name: str) -> list[Any]:
    found = columns.values[name]
    given = found.to_lists() if isinstance(found, Ragged) else found.tolist()
    return [value if valid else None for value, valid in zip(given, columns.valid[name], strict=True)]


@settings(deadline=None, max_examples=60)
@given(st.lists(ROW, max_size=4), st.integers(0, 2**32 - 1), st.integers(0, 3))
def test_every_value_comes_back(rows: list[dict[str, Any]], flags: int, start: int) -> None:
    packed = pack(LAYOUT, table(rows).slice(start), "event", "created", flags)
    rows = rows[start:]
    found = unpack(LAYOUT, [*packed, None])
    assert found.found.tolist() == [True] * len(rows) + [False]
    assert found.event_time.tolist() == [*(row["event"] for row in rows), 0]
    assert found.created.tolist()[:-1] == [-(2**63) if row["created"] is None else row["created"] for row in rows]
    assert found.flags.tolist()[:-1] == [flags] * len(rows)
    assert found.unreadable == 0
    for field in LAYOUT.fields:
        np.testing.assert_equal(plain(found, field.name), [*(row[field.name] for row in rows), None])


@settings(deadline=None, max_examples=60)
@given(ROW, ROW)
def test_bytes_of_moments_compare_as_the_moments_do(one: dict[str, Any], other: dict[str, Any]) -> None:
    first, second = pack(LAYOUT, table([one, other]), "event", "created")
    moments = [(row["event"], -(2**63) if row["created"] is None else row["created"]) for row in (one, other)]
    assert (first[:TIMES_BYTES] < second[:TIMES_BYTES]) == (moments[0] < moments[1])
    assert (first[:TIMES_BYTES] == second[:TIMES_BYTES]) == (moments[0] == moments[1])


@settings(deadline=None, max_examples=60)
@given(ROW, st.data())
def test_a_row_of_another_length_is_missing(row: dict[str, Any], data: st.DataObject) -> None:
    (packed,) = pack(LAYOUT, table([row]), "event", "created")
    cut = packed[: data.draw(st.integers(0, len(packed) - 1))]
    found = unpack(LAYOUT, [packed, cut, packed + b"\0"])
    assert found.found.tolist() == [True, False, False]
    assert found.unreadable == 2
    assert all(plain(found, field.name)[1:] == [None, None] for field in LAYOUT.fields)
    assert found.event_time.tolist() == [row["event"], 0, 0]


FLOATS = Layout("view", (), tuple(Field(f"f{i}", "float32") for i in range(5)))


@pytest.mark.parametrize(
    "fields",
    [
        FLOATS.fields[:4],
        (*FLOATS.fields[:4], Field("f5", "float32")),
        (*FLOATS.fields[:4], Field("f4", "int32")),
        (Field("f0", "float32[]"),),
    ],
)
def test_a_row_of_other_fields_is_missing_and_counted(fields: tuple[Field, ...]) -> None:
    columns = {"event": pa.array([7]), **{field.name: pa.array([1.5]) for field in FLOATS.fields}}
    packed = pack(FLOATS, pa.table(columns), "event")
    found = unpack(Layout("view", (), fields), packed)
    assert (found.found.tolist(), found.unreadable, found.event_time.tolist()) == ([False], 1, [0])
    assert not any(valid.any() for valid in found.valid.values())


def test_a_script_finds_values_by_position() -> None:
    row = {"event": 1, "created": None, **dict.fromkeys((field.name for field in LAYOUT.fields), None)}
    row |= {"f00": -5, "f04": 1.5, "f06": "tag", "f07": b"", "f14": ["a"]}
    (packed,) = pack(LAYOUT, table([row]), "event", None, FLAG_BATCH)
    assert struct.unpack_from("<q", packed, LAYOUT.position("f00")) == (-5,)
    assert struct.unpack_from("<f", packed, LAYOUT.position("f04")) == (1.5,)
    start, length = struct.unpack_from("<II", packed, LAYOUT.position("f06"))
    assert packed[start : start + length] == b"tag"
    assert struct.unpack_from("<II", packed, LAYOUT.position("f07"))[0] == start + length
    assert struct.unpack_from("<II", packed, LAYOUT.position("f08")) == (0, 0)
    assert packed[16:20] == LAYOUT.digest


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"event": [1]}, "expected one column f"),
        ({"event": [None], "f": [1.0]}, "a time in every row of event"),
        ({"event": [1], "f": ["1.0"]}, "expected float32 in column f; found string"),
        ({"event": [1], "f": [[1.0]]}, "expected float32 in column f; found list"),
        ({"f": [1.0]}, "expected one column event"),
    ],
)
def test_columns_that_do_not_fit_are_refused(columns: dict[str, list[Any]], message: str) -> None:
    one = Layout("view", (), (Field("f", "float32"),))
    schema = {"event": pa.int64()}
    given = pa.table({name: pa.array(values, schema.get(name)) for name, values in columns.items()})
    with pytest.raises(RowInputError, match=message):
        pack(one, given, "event")


def test_nulls_inside_arrays_and_numbers_too_large_are_refused() -> None:
    given = pa.table({"event": [1], "f": [[1, None]], "i": [2**31]})
    with pytest.raises(RowInputError, match="no nulls inside the arrays of f"):
        pack(Layout("view", (), (Field("f", "int64[]"),)), given, "event")
    with pytest.raises(RowInputError, match="expected int32 in column i; found int64"):
        pack(Layout("view", (), (Field("i", "int32"),)), given, "event")


def test_arrow_gives_the_same_row_in_other_types_and_chunks() -> None:
    layout = Layout("view", (), (Field("s", "string"), Field("v", "float32[]")))
    values: list[tuple[str | None, list[float]]] = [("a", [1.0]), (None, [])]
    parts = [pa.table({"t": pa.array([1], pa.timestamp("ns")), "s": [s], "v": [v]}) for s, v in values]
    chunked = pa.concat_tables(parts, promote_options="permissive")
    other = pa.table(
        {
            "t": pa.array([0, 0], pa.timestamp("us", "UTC")),
            "s": chunked["s"].combine_chunks().dictionary_encode(),
            "v": chunked["v"].cast(pa.large_list(pa.float32())),
        }
    )
    assert pack(layout, chunked, "t") == pack(layout, other, "t")
