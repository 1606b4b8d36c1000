"""Conversion between Feast's protobuf values and columns."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from feast.feature_view import DUMMY_ENTITY_ID
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import (
    BoolList,
    BytesList,
    DoubleList,
    FloatList,
    Int32List,
    Int64List,
    StringList,
    Value,
)

from feature_repo.packed.arrow import arrow_type
from feature_repo.packed.layout import Layout
from feature_repo.packed.pack import UnpackedRows
from feature_repo.stores.errors import RowInputError
from models.counters.ragged import Ragged
from models.time_units import SECOND, microseconds

EVENT, CREATED = "event time of the row", "created time of the row"
"""Time columns of ``table_of``, whose names no feature can have."""

_EXACT = 2**53
_NULL_SECONDS = -(2**63)  # Feast's null timestamp inside a list
_VALUES = {
    "int64": "int64_val",
    "timestamp": "unix_timestamp_val",
    "float64": "double_val",
    "int32": "int32_val",
    "float32": "float_val",
    "bool": "bool_val",
    "string": "string_val",
    "bytes": "bytes_val",
}
_LISTS: dict[str, Any] = {
    "int64": Int64List,
    "timestamp": Int64List,
    "float64": DoubleList,
    "int32": Int32List,
    "float32": FloatList,
    "bool": BoolList,
    "string": StringList,
    "bytes": BytesList,
}
_WHOLE = ("int64_val", "int32_val")
_KEYS = {
    "int64": _WHOLE,
    "int32": _WHOLE,
    "timestamp": (*_WHOLE, "unix_timestamp_val"),
    "string": ("string_val",),
    "bytes": ("bytes_val",),
}
"""By key kind: the fields of Feast's Value that may hold it. Floats and bools are refused: they could alias a key."""


def key_values(layout: Layout, key: EntityKey) -> list[int | str | bytes]:
    """Values of an entity key in the order of the layout's keys. Raises RowInputError for other keys, types or null."""
    given = dict(zip(key.join_keys, key.entity_values, strict=True))
    given.pop(DUMMY_ENTITY_ID, None)
    if set(given) != {name for name, _ in layout.keys}:
        raise RowInputError(
            f"{layout.view}: expected join keys {', '.join(name for name, _ in layout.keys) or '(none)'}; "
            f"found {', '.join(given) or '(none)'}"
        )
    values: list[int | str | bytes] = []
    for name, kind in layout.keys:
        found = given[name].WhichOneof("val")
        if found is None:
            raise RowInputError(f"{layout.view}: expected a value of join key {name}; found null")
        if found not in _KEYS[kind]:
            raise RowInputError(f"{layout.view}: expected {kind} as join key {name}; found {found}. Convert it")
        value = getattr(given[name], found)
        if kind == "timestamp" and found == "unix_timestamp_val":
            value *= SECOND
        values.append(value)
    return values


def table_of(layout: Layout, data: Sequence[tuple[Any, dict[str, Value], datetime, datetime | None]]) -> pa.Table:
    """Rows as Feast writes them, as a table of the fields, EVENT and CREATED. Raises RowInputError for a wrong type."""
    columns = {
        EVENT: pa.array([_microseconds(event) for *_, event, _ in data], pa.int64()),
        CREATED: pa.array([None if made is None else _microseconds(made) for *_, made in data], pa.int64()),
    }
    for name, kind in layout.fields:
        values = [_plain(layout, name, kind, row.get(name)) for _, row, *_ in data]
        columns[name] = _array(layout, name, kind, values)
    return pa.table(columns)


def events_of(layout: Layout, view: Any, data: Sequence[Any], columns: pa.Table) -> list[dict[str, Any]]:
    """Rows as dicts of their source's columns (keys, features, times), with times as int microseconds UTC."""
    times = {field.name: pa.int64() for field in columns.schema if pa.types.is_timestamp(field.type)}
    plain = pa.table({name: columns[name].cast(times.get(name, columns[name].type)) for name in columns.column_names})
    source = view.batch_source
    named = {EVENT: source.timestamp_field, CREATED: source.created_timestamp_column}
    return [
        {
            **dict(zip((key.name for key in layout.keys), key_values(layout, key), strict=True)),
            **{named.get(name, name): value for name, value in row.items() if named.get(name, name)},
        }
        for (key, *_), row in zip(data, plain.to_pylist(), strict=True)
    ]


def values_of(kind: str, columns: UnpackedRows, name: str) -> list[Value]:
    """A field's column as Feast values; a null becomes an empty Value."""
    valid, column, field = columns.valid[name].tolist(), columns.values[name], proto_field(kind)
    if not isinstance(column, Ragged):
        plain = [_to_seconds(time) for time in column.tolist()] if kind == "timestamp" else column.tolist()
        return [Value(**{field: value}) if there else Value() for there, value in zip(valid, plain, strict=True)]
    lists, made = column.to_lists(), _LISTS[kind[:-2]]
    if kind == "timestamp[]":
        lists = [[_to_seconds_in_list(time) for time in some] for some in lists]
    return [Value(**{field: made(val=some)}) if there else Value() for there, some in zip(valid, lists, strict=True)]


def proto_field(kind: str) -> str:
    """Field of Feast's Value that holds a kind."""
    if kind.endswith("[]"):
        return _VALUES[kind[:-2]].replace("_val", "_list_val")
    return _VALUES[kind]


def _microseconds(time: datetime) -> int:
    """Microseconds UTC; a time without a zone is UTC, as in Feast."""
    return microseconds(time if time.tzinfo is not None else time.replace(tzinfo=UTC))


def _plain(layout: Layout, name: str, kind: str, value: Value | None) -> Any:
    """A value in the form that Arrow takes. Raises RowInputError for a wrong type."""
    found = None if value is None else value.WhichOneof("val")
    if value is None or found is None:
        return None
    if found != proto_field(kind):
        raise RowInputError(f"{layout.view}: expected {proto_field(kind)} in {name}; found {found}")
    plain = getattr(value, found)
    if not kind.endswith("[]"):
        return _from_seconds(plain) if kind == "timestamp" else plain
    return [_from_seconds(one) for one in plain.val] if kind == "timestamp[]" else list(plain.val)


def _from_seconds(seconds: int) -> int:
    return seconds if seconds == _NULL_SECONDS else seconds * SECOND


def _to_seconds(time: int) -> int:
    """Feast's timestamps are whole seconds, rounded down."""
    return time if time == _NULL_SECONDS else time // SECOND


def _to_seconds_in_list(time: int) -> int:
    """In lists Feast rounds toward 1970."""
    return time if time == _NULL_SECONDS else time // SECOND if time >= 0 else -(-time // SECOND)


def _array(layout: Layout, name: str, kind: str, values: list[Any]) -> pa.Array:
    try:
        array = pa.array(values, arrow_type(kind))
    except (pa.ArrowInvalid, OverflowError) as error:
        raise RowInputError(f"{layout.view}: expected {kind} in {name}; found {error}") from error
    if kind == "int64" and may_be_rounded(array):
        raise RowInputError(
            f"{layout.view}: expected whole numbers below 2**53 in {name} where some are null; found larger ones, "
            "which Feast rounds to floats. Write rows with and without nulls separately, or materialize them "
            "with python -m feature_repo materialize"
        )
    return array


def may_be_rounded(array: pa.Array) -> bool:
    """Whether integers may have been rounded to floats: some are null, some reach 2**53, and all fit a float."""
    if not array.null_count or array.null_count == len(array):
        return False
    span = pc.min_max(array).as_py()
    if max(abs(span["min"]), abs(span["max"])) < _EXACT:
        return False
    return all(int(float(value)) == value for value in array.drop_null().to_pylist())
