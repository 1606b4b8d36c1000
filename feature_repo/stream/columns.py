"""Names of the stream's views and columns, and which columns of a table its plan reads."""

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from feature_repo.errors import DefinitionError, NotAppliedError
from feature_repo.stream.plan import ActivityEdge, Kind
from models.spec import Spec
from models.spec.base import Value


def events_view(table: str) -> str:
    """The view of an event table."""
    return f"events_{table}"


def activity_edges(spec: Spec) -> dict[str, list[ActivityEdge]]:
    """The engagement edges that leave the member, in the order of the spec, by table. Filters are the spec's own."""
    member = spec.impressions.member.node
    found: dict[str, list[ActivityEdge]] = {}
    edges = [
        (name, edge)
        for name, edge in spec.active_edges().items()
        if edge.kind == "engagement" and edge.source.node == member
    ]
    for place, (name, edge) in enumerate(edges):
        ends = (edge.source.column, edge.target.column)
        found.setdefault(edge.table, []).append(ActivityEdge(name, place, *ends, edge.time, edge.filter))
    return found


def edge_names(spec: Spec) -> list[str]:
    """The names of all those edges, each at its place."""
    found = {edge.place: edge.name for edges in activity_edges(spec).values() for edge in edges}
    return [found[place] for place in sorted(found)]


def column_kinds(tables: Path, table: str, names: list[str]) -> dict[str, Kind]:
    """How the stream holds columns of a canonical table. Raises NotAppliedError or DefinitionError."""
    path = tables / f"{table}.parquet"
    if not path.is_file():
        raise NotAppliedError(f"{path}: expected the event table {table}; found no such file. Ingest first")
    types = {field.name: field.type for field in pq.read_schema(path)}
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
    """The filter with its values as their column holds them, so that plain equality is models/filters.py's."""
    import numpy as np

    found: dict[str, list[Value]] = {}
    for column, values in kept.items():
        kind = kinds[column]
        if kind == "text":
            found[column] = [value for value in values if isinstance(value, str)]
            continue
        numbers = [value for value in values if not isinstance(value, str)]
        if kind == "int":
            found[column] = [int(value) for value in numbers if value == int(value)]
        elif kind == "time":
            found[column] = []
        else:
            found[column] = [float(np.float32(value)) if kind == "float" else float(value) for value in numbers]
    return found
