"""Feast's values as columns, and back."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
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

from feature_repo.stores.errors import RowInputError
from feature_repo.stores.online.arrow import arrow_type
from feature_repo.stores.online.layout import Layout
from feature_repo.stores.online.packed import Columns
from models.counters.ragged import Ragged

EVENT, CREATED = "event time of the row", "created time of the row"
"""Columns of ``table_of`` beside the fields: no feature is called so."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = 1_000_000
_EXACT = 2**53
_NULL_SECONDS = -(2**63)  # Feast's: a timestamp that is null inside a value
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
"""By kind of a key: the fields of Feast's Value that hold one. A float or a bool would become another's number."""


def key_values(layout: Layout, key: EntityKey) -> list[int | str | bytes]:
    """An entity key's values in the order of the layout's keys; raises RowInputError for another key or type."""
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
            value *= _SECOND
        values.append(value)
    return values


def table_of(layout: Layout, data: Sequence[tuple[Any, dict[str, Value], datetime, datetime | None]]) -> pa.Table:
    """Rows as Feast writes them in columns: the fields, EVENT and CREATED. Raises RowInputError for another type."""
    columns = {
        EVENT: pa.array([microseconds(event) for *_, event, _ in data], pa.int64()),
        CREATED: pa.array([None if made is None else microseconds(made) for *_, made in data], pa.int64()),
    }
    for name, kind in layout.fields:
        values = [_plain(layout, name, kind, row.get(name)) for _, row, *_ in data]
        columns[name] = _array(layout, name, kind, values)
    return pa.table(columns)


def events_of(layout: Layout, view: Any, data: Sequence[Any], columns: pa.Table) -> list[dict[str, Any]]:
    """The rows by name of their source's columns, with times in int microseconds: keys, features, event time."""
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


def values_of(kind: str, columns: Columns, name: str) -> list[Value]:
    """A field's column as Feast's values; a null is an empty one."""
    valid, column, field = columns.valid[name].tolist(), columns.values[name], proto_field(kind)
    if not isinstance(column, Ragged):
        plain = [_second(at) for at in column.tolist()] if kind == "timestamp" else column.tolist()
        return [Value(**{field: value}) if there else Value() for there, value in zip(valid, plain, strict=True)]
    lists, made = column.to_lists(), _LISTS[kind[:-2]]
    if kind == "timestamp[]":
        lists = [[_second_in_array(at) for at in some] for some in lists]
    return [Value(**{field: made(val=some)}) if there else Value() for there, some in zip(valid, lists, strict=True)]


def proto_field(kind: str) -> str:
    """The field of Feast's Value that holds a kind."""
    if kind.endswith("[]"):
        return _VALUES[kind[:-2]].replace("_val", "_list_val")
    return _VALUES[kind]


def microseconds(moment: datetime) -> int:
    """Since 1970; a moment without a zone is UTC, as everywhere in Feast."""
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1)


def datetime_of(moment: int) -> datetime:
    """The reverse, in UTC."""
    return _EPOCH + timedelta(microseconds=moment)


def _plain(layout: Layout, name: str, kind: str, value: Value | None) -> Any:
    """A value as Arrow takes it; raises RowInputError for one of another type."""
    found = None if value is None else value.WhichOneof("val")
    if value is None or found is None:
        return None
    if found != proto_field(kind):
        raise RowInputError(f"{layout.view}: expected {proto_field(kind)} in {name}; found {found}")
    plain = getattr(value, found)
    if not kind.endswith("[]"):
        return _micro(plain) if kind == "timestamp" else plain
    return [_micro(one) for one in plain.val] if kind == "timestamp[]" else list(plain.val)


def _micro(seconds: int) -> int:
    return seconds if seconds == _NULL_SECONDS else seconds * _SECOND


def _second(moment: int) -> int:
    """Feast's timestamps are whole seconds: the one before a moment."""
    return moment if moment == _NULL_SECONDS else moment // _SECOND


def _second_in_array(moment: int) -> int:
    """In arrays Feast takes the one towards 1970."""
    return moment if moment == _NULL_SECONDS else moment // _SECOND if moment >= 0 else -(-moment // _SECOND)


def _array(layout: Layout, name: str, kind: str, values: list[Any]) -> pa.Array:
    try:
        array = pa.array(values, arrow_type(kind))
    except (pa.ArrowInvalid, OverflowError) as error:
        raise RowInputError(f"{layout.view}: expected {kind} in {name}; found {error}") from error
    if kind == "int64" and may_be_rounded(array):
        raise RowInputError(
            f"{layout.view}: expected whole numbers below 2**53 in {name} where some are null; found larger ones, "
            "which Feast passes on as floats and so rounds. Write rows with and without nulls apart, or materialize "
            "with python -m feature_repo materialize"
        )
    return array


def may_be_rounded(array: pa.Array) -> bool:
    """Whether whole numbers may have been floats: beside nulls, from 2**53 on, and none that a float cannot hold."""
    if not array.null_count or array.null_count == len(array):
        return False
    span = pc.min_max(array).as_py()
    if max(abs(span["min"]), abs(span["max"])) < _EXACT:
        return False
    return all(int(float(value)) == value for value in array.drop_null().to_pylist())
