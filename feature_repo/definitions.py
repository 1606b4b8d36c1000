"""Feast's objects, built from the spec and the folder of canonical tables: nothing is declared twice."""

from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from feature_repo.errors import DefinitionError
from feature_repo.pushed import EDGES, KEYS, PUSHED_AT, RECENT, TIMES, VECTOR_COLUMNS
from feature_repo.stream.columns import events_view
from feature_repo.stream.definitions import build_events, event_tables
from models.counters.columns import state_columns
from models.counters.plan import plan_of
from models.features import (
    ITEM_VECTORS,
    MEMBER_VECTORS,
    SLOTS,
    VALID_FROM,
    attribute_keys,
    counter_columns,
    counter_table,
    counter_views,
    node_features,
    vector_view,
)
from models.spec import Feature, Node, Spec, View

_RESERVED = ("event_timestamp", "entity_row_id", "event_expire_timestamp", "rn", "row")
"""Column names that Feast's point-in-time join (and ours around it) uses for itself."""


def build(spec: Spec, tables: Path, pushed: Path) -> list[Any]:
    """Entities and feature views of the spec; ``pushed`` is the folder of the pushed views' Parquet files.

    Views of member and item, counters and vectors are online; views of other nodes are offline only. The sources come
    with their views. Raises DefinitionError where names of the spec collide in Feast's flat name space.
    """
    check_names(spec)
    shown = spec.impressions
    entities = _entities(spec)
    online = {column.node for _, column in spec.node_columns()}
    objects: list[Any] = list(entities.values())
    for name, node in spec.nodes.items():
        for view_name, view in node.views.items():
            objects.append(_node_view(view_name, view, entities[name], node, tables, online=name in online))
    for name in counter_views(spec):
        objects.append(_counter_view(spec, name, entities, tables))
    for slot in SLOTS:
        for kind, column in zip((MEMBER_VECTORS, ITEM_VECTORS), (shown.member, shown.item), strict=True):
            objects.append(_pushed_view(kind, slot, entities[column.node], pushed))
    return [*objects, *build_events(spec, tables, pushed, objects)]


def check_names(spec: Spec) -> None:
    """What Feast needs beyond the spec's own checks: views and columns whose names no object of ours, or Feast, has."""
    vectors = [vector_view(kind, slot) for kind in VECTOR_COLUMNS for slot in SLOTS]
    events = [events_view(table) for table in event_tables(spec)]
    views = [view for node in spec.nodes.values() for view in node.views]
    for name in _duplicates([*vectors, RECENT, *events, *views, *counter_views(spec)]):
        raise DefinitionError(f"view {name!r}: expected a name of its own; found it twice. Rename the view or counter")
    roles = {column.node for _, column in spec.node_columns()}
    keys = [node.key for name, node in spec.nodes.items() if node.views or name in roles]
    features = [feature.name for node in spec.nodes for feature in node_features(spec, node)]
    counted = [column for counter in spec.counters for column in counter_columns(spec, counter)]
    counted += [column for view in counter_views(spec) for column in state_columns(spec, view)]
    ours = {PUSHED_AT, EDGES, KEYS, TIMES, *(column for columns in VECTOR_COLUMNS.values() for column in columns)}
    for name in [*keys, spec.impressions.surface, *features, *counted]:
        # The join of Feast's DuckDB store drops every column that ends in `_y`.
        if name.lower() in _RESERVED or name.lower().endswith("_y"):
            raise DefinitionError(
                f"column {name!r}: expected a name that Feast's join does not use for itself; found one of "
                f"{', '.join(_RESERVED)} or one that ends in '_y'. Rename it in the adapter"
            )
        if name.lower() in ours:
            raise DefinitionError(
                f"column {name!r}: expected a name that no pushed vector or activity has ({', '.join(sorted(ours))}). "
                "Rename it in the adapter"
            )


def _entities(spec: Spec) -> dict[str, Any]:
    from feast import Entity, ValueType

    value_types = {"int": ValueType.INT64, "string": ValueType.STRING}
    roles = {column.node for _, column in spec.node_columns()}
    entities = {
        name: Entity(name=name, join_keys=[node.key], value_type=value_types[node.key_type])
        for name, node in spec.nodes.items()
        if node.views or name in roles
    }
    keys = {key for counter in spec.counters.values() for key in counter.keys}
    if "surface" in keys:
        entities["surface"] = Entity(name="surface", join_keys=[spec.impressions.surface], value_type=ValueType.STRING)
    for feature in attribute_keys(spec):
        name = f"{spec.impressions.item.node}_{feature}"
        if name in entities:
            raise DefinitionError(f"node {name!r}: expected a name other than the entity of counters by {feature!r}")
        entities[name] = Entity(name=name, join_keys=[feature], value_type=ValueType.STRING)
    return entities


def _node_view(name: str, view: View, entity: Any, node: Node, tables: Path, online: bool) -> Any:
    fields = {feature.name: _feature_type(feature) for feature in view.typed}
    source = _file_source(name, tables / f"{view.table}.parquet", view.time, view.created)
    return _view(name, [entity], fields, source, online, view.ttl_days)


def _counter_view(spec: Spec, name: str, entities: dict[str, Any], tables: Path) -> Any:
    from feast.types import Array, Int64

    kinds = {"int": Int64, "ints": Array(Int64)}
    fields = {column: kinds[kind] for column, kind in state_columns(spec, name).items()}
    by_key = {entity.join_key: entity for entity in entities.values()}
    source = _file_source(name, tables / f"{counter_table(name)}.parquet", VALID_FROM)
    keys = plan_of(spec, name).keys
    return _view(name, [by_key[key] for key in keys], fields, source, online=True)


def _pushed_view(kind: str, slot: str, entity: Any, pushed: Path) -> Any:
    from feast import PushSource
    from feast.types import Array, Float32, Int64, String

    types = {
        pa.list_(pa.float32()): Array(Float32),
        pa.list_(pa.int64()): Array(Int64),
        pa.list_(pa.string()): Array(String),
        pa.string(): String,
    }
    fields = {column: types[values] for column, values in VECTOR_COLUMNS[kind].items()}
    name = vector_view(kind, slot)
    batch = _file_source(f"{name}_pushed", pushed / f"{name}.parquet", PUSHED_AT)
    return _view(name, [entity], fields, PushSource(name=name, batch_source=batch), online=True)


def _view(
    name: str, entities: list[Any], fields: dict[str, Any], source: Any, online: bool, ttl_days: int | None = None
) -> Any:
    from feast import FeatureView, Field
    from feast.types import from_value_type

    # The keys stand in the schema too, so that Feast has no column to guess from the files.
    keys = [Field(name=entity.join_key, dtype=from_value_type(entity.value_type)) for entity in entities]
    return FeatureView(
        name=name,
        entities=entities,
        schema=keys + [Field(name=column, dtype=kind) for column, kind in fields.items()],
        source=source,
        online=online,
        ttl=timedelta(days=ttl_days) if ttl_days else None,
    )


def _file_source(name: str, path: Path, time: str, created: str | None = None) -> Any:
    from feast import FileSource
    from feast.data_format import ParquetFormat

    return FileSource(
        name=name,
        path=str(path.resolve()),
        file_format=ParquetFormat(),
        timestamp_field=time,
        created_timestamp_column=created or "",
    )


def _feature_type(feature: Feature) -> Any:
    from feast.types import Array, Float32, String

    kinds = {"number": Float32, "vector": Array(Float32), "category": String, "text": String}
    return kinds[feature.kind]


def _duplicates(names: list[str]) -> list[str]:
    """Names that stand twice, upper or lower case alike."""
    counts = Counter(name.lower() for name in names)
    return sorted({name for name in names if counts[name.lower()] > 1})
