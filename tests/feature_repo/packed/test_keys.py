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


def test_the_bytes_of_keys() -> None:
    start = b"p\0v\0"
    assert row_key("p", "v", [258]) == start + b"i\2\1" + bytes(6)
    assert row_key("p", "v", ["ab"]) == start + b"sab"
    assert row_key("p", "v", ["ab", -1]) == start + b"s\2\0\0\0ab" + b"i" + b"\xff" * 8
    assert row_key("p", "v", [b"", b"c"]) == start + b"b" + bytes(4) + b"b\1\0\0\0c"


def test_a_view_without_keys_has_one_row() -> None:
    assert row_keys("p", Layout("v", (), ()), pa.table({"x": [1, 2]})) == [b"p\0v\0"] * 2
    assert row_keys("p", Layout("v", KEYS, ()), pa.table({key.name: pa.nulls(0) for key in KEYS})) == []


@pytest.mark.parametrize(("kind", "digits"), [(pa.float16(), 11), (pa.float32(), 24), (pa.float64(), 53)])
def test_whole_floats_are_keys_as_long_as_they_are_exact(kind: pa.DataType, digits: int) -> None:
    layout, largest = Layout("v", (Key("k", "int64"),), ()), 2**digits - 1
    table = pa.table({"k": pa.array([float(largest), float(-largest)], kind)})
    assert row_keys("p", layout, table) == [row_key("p", "v", [largest]), row_key("p", "v", [-largest])]
    message = f"^v: expected int64 as join key k; found {kind} so large that it could be several keys. Write it as int"
    for value in (largest + 1.0, -largest - 1.0):
        with pytest.raises(RowInputError, match=message):
            row_keys("p", layout, pa.table({"k": pa.array([1.0, value], kind)}))
    with pytest.raises(RowInputError, match=r"^v: expected int64 as join key k; found bool. Write it as int64$"):
        row_keys("p", layout, pa.table({"k": [True]}))
    with pytest.raises(RowInputError, match=r"^v: expected a value of join key k in every row; found 1 nulls$"):
        row_keys("p", layout, pa.table({"k": pa.array([1.0, None], kind)}))


def test_an_entity_key_gives_its_values_in_the_layouts_order() -> None:
    layout = Layout("v", (Key("a", "string"), Key("b", "timestamp")), ())
    values = [Value(unix_timestamp_val=7), Value(string_val="x")]
    assert key_values(layout, EntityKey(join_keys=["b", "a"], entity_values=values)) == ["x", 7_000_000]
    values[0] = Value(int64_val=7)
    assert key_values(layout, EntityKey(join_keys=["b", "a"], entity_values=values)) == ["x", 7]
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        key_values(Layout("v", layout.keys[:1], ()), EntityKey(join_keys=["a", "b"], entity_values=values[1:]))
    with pytest.raises(RowInputError, match=r"^v: expected a value of join key b; found null$"):
        key_values(layout, EntityKey(join_keys=["b", "a"], entity_values=[Value(), values[1]]))
    with pytest.raises(RowInputError, match=r"^v: expected join keys a, b; found a$"):
        key_values(layout, EntityKey(join_keys=["a"], entity_values=values[1:]))
    with pytest.raises(RowInputError, match=r"^v: expected join keys \(none\); found a$"):
        key_values(Layout("v", (), ()), EntityKey(join_keys=["a"], entity_values=values[1:]))
    with pytest.raises(RowInputError, match=r"^v: expected join keys a, b; found \(none\)$"):
        key_values(layout, EntityKey())
