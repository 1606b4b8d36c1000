"""Keys of rows: one row, one key; a table's keys are those of its rows."""

from typing import Any

import pyarrow as pa
import pytest
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.packed.keys import key_part, row_key, row_keys, view_prefix
from feature_repo.packed.layout import Key, Layout
from feature_repo.stores.errors import RowInputError
from feature_repo.stores.online.protos import key_values

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
VALUES = st.lists(st.integers(-(2**63), 2**63 - 1) | TEXT | st.binary(max_size=4), max_size=3)
KEYS = (Key("a", "string"), Key("b", "int64"), Key("c", "timestamp"))


@settings(deadline=None, max_examples=200)
@given(VALUES, VALUES)
def test_only_equal_values_share_a_key(one: list[Any], other: list[Any]) -> None:
    same = len(one) == len(other) and all(type(a) is type(b) and a == b for a, b in zip(one, other, strict=True))
    if len(one) == len(other):  # a view's rows all have as many keys
        assert (row_key("project", "view", one) == row_key("project", "view", other)) == same


def test_texts_do_not_run_into_each_other() -> None:
    assert row_key("project", "view", ["a", "sb"]) != row_key("project", "view", ["as", "b"])
    assert row_key("project", "view", ["asb", ""]) != row_key("project", "view", ["a", "bs"])


def test_no_view_has_keys_of_another() -> None:
    names = [("a", "b"), ("a", "bc"), ("ab", "c"), ("ab", ""), ("", "ab")]
    prefixes = [view_prefix(*name) for name in names]
    assert not any(one.startswith(other) for one in prefixes for other in prefixes if one is not other)
    with pytest.raises(RowInputError, match="without a zero character"):
        view_prefix("project", "view\0")


def test_the_key_of_one_text_is_the_prefix_and_its_bytes() -> None:
    assert row_key("project", "view", ["é"]) == row_key("project", "view", [""]) + "é".encode()
    assert row_key("project", "view", []) == view_prefix("project", "view")


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(TEXT, st.integers(-(2**63), 2**63 - 1), st.integers(-(2**50), 2**50)), max_size=4))
def test_a_tables_keys_are_those_of_its_rows(rows: list[tuple[str, int, int]]) -> None:
    types = (pa.string(), pa.int64(), pa.timestamp("us", "UTC"))
    columns = {key.name: pa.array([row[i] for row in rows], types[i]) for i, key in reversed(list(enumerate(KEYS)))}
    for count in (1, 2, 3):
        found = row_keys("project", Layout("view", KEYS[:count], ()), pa.table(columns))
        assert found == [row_key("project", "view", row[:count]) for row in rows]
    found = row_keys("project", Layout("view", KEYS[1:2], ()), pa.table(columns))
    assert found == [row_key("project", "view", row[1:2]) for row in rows]


def test_an_int32_key_is_the_int64_key() -> None:
    table = pa.table({"b": pa.array([-3], pa.int32())})
    assert row_keys("p", Layout("v", (Key("b", "int32"),), ()), table) == [view_prefix("p", "v") + key_part(-3, False)]


def test_a_null_key_is_refused() -> None:
    with pytest.raises(RowInputError, match="expected a value of join key a in every row"):
        row_keys("project", Layout("view", KEYS[:1], ()), pa.table({"a": ["x", None]}))


@pytest.mark.parametrize(
    "column",
    [
        pa.array([7.5]),
        pa.array([2.0**53]),
        pa.array([-(2.0**53)]),
        pa.array([float("inf")]),
        pa.array([float("nan")]),
        pa.array([2.0**24], pa.float32()),
        pa.array([True]),
        pa.array(["7"]),
        pa.array([2**63], pa.uint64()),
    ],
)
def test_a_key_of_another_type_is_no_other_key(column: pa.Array) -> None:
    layout = Layout("view", KEYS[1:2], ())
    with pytest.raises(RowInputError, match="view: expected int64"):
        row_keys("project", layout, pa.table({"b": column}))
    assert row_keys("project", layout, pa.table({"b": [7.0]})) == [row_key("project", "view", [7])]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("int64", Value(double_val=7.0)),
        ("int64", Value(float_val=7.5)),
        ("int64", Value(bool_val=True)),
        ("int64", Value(string_val="7")),
        ("int64", Value(unix_timestamp_val=7)),
        ("string", Value(int64_val=7)),
        ("string", Value(bytes_val=b"7")),
        ("bytes", Value(string_val="7")),
        ("timestamp", Value(double_val=7.0)),
    ],
)
def test_a_value_of_another_type_is_no_key(kind: str, value: Value) -> None:
    layout = Layout("view", (Key("k", kind),), ())
    with pytest.raises(RowInputError, match=f"view: expected {kind} as join key k; found "):
        key_values(layout, EntityKey(join_keys=["k"], entity_values=[value]))
    whole = EntityKey(join_keys=["k"], entity_values=[Value(int32_val=7)])
    assert key_values(Layout("view", (Key("k", "int64"),), ()), whole) == [7]
