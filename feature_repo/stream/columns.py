"""Column types of event tables, and filters converted to them."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from feature_repo.stream.plan import Kind
from feature_repo.views.errors import DefinitionError, NotAppliedError
from feature_repo.views.pushed import schema_at
from models.spec.base import Value
from models.storage import join


def event_schema(tables: str, table: str) -> pa.Schema:
    """Schema of an event table; ``tables`` is the address of the canonical tables. Raises NotAppliedError."""
    path = join(tables, f"{table}.parquet")
    try:
        return schema_at(path)
    except FileNotFoundError:
        raise NotAppliedError(f"{path}: expected the event table {table}; found no such file. Ingest first") from None


def column_kinds(tables: str, table: str, names: list[str]) -> dict[str, Kind]:
    """Kinds of columns of a canonical table.

    Raises NotAppliedError if the table is missing, DefinitionError if a column is missing or has an unusable type.
    """
    path = join(tables, f"{table}.parquet")
    types = {field.name: field.type for field in event_schema(tables, table)}
    kinds: dict[str, Kind] = {}
    for name in names:
        if name not in types:
            raise DefinitionError(f"{path}: expected column {name}; found {', '.join(types)}")
        kinds[name] = _kind(types[name], f"{path}: column {name}")
    return kinds


def _kind(type_: pa.DataType, where: str) -> Kind:
    if pa.types.is_dictionary(type_):
        return _kind(type_.value_type, where)
    if pa.types.is_timestamp(type_):
        return "time"
    if pa.types.is_boolean(type_) or (pa.types.is_integer(type_) and type_ != pa.uint64()):
        return "int"
    if pa.types.is_floating(type_):
        return "double" if type_ == pa.float64() else "float"
    if pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_):
        return "text"
    raise DefinitionError(f"{where}: expected numbers, texts or times; found {type_}")


def typed_filter(kept: Mapping[str, list[Value]], kinds: Mapping[str, Kind]) -> dict[str, list[Value]]:
    """The filter with its values in their columns' types, so that ``==`` decides as models/filters.py does."""
    typed: dict[str, list[Value]] = {}
    for column, values in kept.items():
        kind = kinds[column]
        if kind == "text":
            typed[column] = [value for value in values if isinstance(value, str)]
            continue
        numbers = [value for value in values if not isinstance(value, str)]
        if kind == "int":
            typed[column] = [int(value) for value in numbers if value == int(value)]
        elif kind == "time":
            typed[column] = []
        else:
            typed[column] = [float(np.float32(value)) if kind == "float" else float(value) for value in numbers]
    return typed
