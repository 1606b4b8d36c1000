"""Feast definitions, built from the spec and the address of the canonical tables."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pyarrow as pa

from feature_repo.stream.definitions import build_events
from feature_repo.views.errors import DefinitionError
from feature_repo.views.names import check_names
from feature_repo.views.pushed import PUSHED_AT, VECTOR_COLUMNS, pushed_file
from models.collaborative.plan import CollaborativePlan, collaborative_table, item_columns, member_columns
from models.counters.columns import state_columns
from models.counters.plan import CounterPlan
from models.counters.snapshot import SnapshotPlan
from models.features import (
    ITEM_VECTORS,
    MEMBER_VECTORS,
    SLOTS,
    VALID_FROM,
    attribute_keys,
    counter_table,
    vector_view,
)
from models.spec import Feature, Node, Spec, View
from models.spec.collaborative_plans import collaborative_plans
from models.spec.counter_plans import counter_plans, residual_plan, snapshot_plans
from models.storage import join


def build(spec: Spec, tables: str, pushed: str) -> list[Any]:
    """Build the entities and feature views of the spec.

    ``tables`` and ``pushed`` are the addresses of the canonical tables and of the pushed views' Parquet files: absolute
    paths, or URIs, which every pod can read.

    Views of member and item, counters, collaborative rows and vectors are online; views of other nodes are offline
    only. Raises
    DefinitionError if names of the spec collide in Feast's flat name space.
    """
    check_names(spec)
    shown = spec.impressions
    entities = _entities(spec)
    online = {column.node for _, column in spec.node_columns()}
    objects: list[Any] = list(entities.values())
    for name, node in spec.nodes.items():
        for view_name, view in node.views.items():
            objects.append(_node_view(view_name, view, entities[name], node, tables, online=name in online))
    for plan in counter_plans(spec).values():
        objects.append(_counter_view(plan, state_columns(plan), entities, tables))
    for snapshot in snapshot_plans(spec).values():
        objects.append(_counter_view(snapshot, snapshot.state_columns, entities, tables))
    for block in collaborative_plans(spec).values():
        objects += _collaborative_views(block, entities, tables)
    for slot in SLOTS:
        for kind, column in zip((MEMBER_VECTORS, ITEM_VECTORS), (shown.member, shown.item), strict=True):
            objects.append(_pushed_view(kind, slot, entities[column.node], pushed))
    return [*objects, *build_events(spec, tables, pushed, objects)]


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
    if "surface" in keys or residual_plan(spec) is not None:
        entities["surface"] = Entity(name="surface", join_keys=[spec.impressions.surface], value_type=ValueType.STRING)
    for feature in attribute_keys(spec):
        name = f"{spec.impressions.item.node}_{feature}"
        if name in entities:
            raise DefinitionError(
                f"node {name!r}: expected a name that differs from the entity of counters by {feature!r}"
            )
        entities[name] = Entity(name=name, join_keys=[feature], value_type=ValueType.STRING)
    return entities


def _node_view(name: str, view: View, entity: Any, node: Node, tables: str, online: bool) -> Any:
    fields = {feature.name: _feature_type(feature) for feature in view.typed}
    source = _file_source(name, join(tables, f"{view.table}.parquet"), view.time, view.created)
    return _view(name, [entity], fields, source, online, view.ttl_days)


def _counter_view(
    plan: CounterPlan | SnapshotPlan, columns: Mapping[str, str], entities: dict[str, Any], tables: str
) -> Any:
    from feast.types import Array, Int64

    kinds = {"int": Int64, "ints": Array(Int64)}
    fields = {column: kinds[kind] for column, kind in columns.items()}
    by_key = {entity.join_key: entity for entity in entities.values()}
    source = _file_source(plan.name, join(tables, f"{counter_table(plan.name)}.parquet"), VALID_FROM)
    return _view(plan.name, [by_key[key] for key in plan.keys], fields, source, online=True)


def _collaborative_views(plan: CollaborativePlan, entities: dict[str, Any], tables: str) -> list[Any]:
    from feast.types import Array, Float32, Int64

    kinds = {"int": Int64, "float": Float32, "ints": Array(Int64), "floats": Array(Float32)}
    by_key = {entity.join_key: entity for entity in entities.values()}
    views = []
    for name, key, columns in (
        (plan.member_view, plan.member_key, member_columns(plan)),
        (plan.item_view, plan.item_key, item_columns(plan)),
    ):
        fields = {column: kinds[kind] for column, kind in columns.items()}
        source = _file_source(name, join(tables, f"{collaborative_table(name)}.parquet"), VALID_FROM)
        views.append(_view(name, [by_key[key]], fields, source, online=True))
    return views


def _pushed_view(kind: str, slot: str, entity: Any, pushed: str) -> Any:
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
    batch = _file_source(f"{name}_pushed", pushed_file(pushed, name), PUSHED_AT)
    return _view(name, [entity], fields, PushSource(name=name, batch_source=batch), online=True)


def _view(
    name: str, entities: list[Any], fields: dict[str, Any], source: Any, online: bool, ttl_days: int | None = None
) -> Any:
    from feast import FeatureView, Field
    from feast.types import from_value_type

    # With the keys in the schema Feast infers no column from the files.
    keys = [Field(name=entity.join_key, dtype=from_value_type(entity.value_type)) for entity in entities]
    return FeatureView(
        name=name,
        entities=entities,
        schema=keys + [Field(name=column, dtype=kind) for column, kind in fields.items()],
        source=source,
        online=online,
        ttl=timedelta(days=ttl_days) if ttl_days else None,
    )


def _file_source(name: str, path: str, time: str, created: str | None = None) -> Any:
    from feast import FileSource
    from feast.data_format import ParquetFormat

    return FileSource(
        name=name,
        path=path,
        file_format=ParquetFormat(),
        timestamp_field=time,
        created_timestamp_column=created or "",
    )


def _feature_type(feature: Feature) -> Any:
    from feast.types import Array, Float32, String, UnixTimestamp

    kinds = {**{"number": Float32, "vector": Array(Float32), "category": String, "text": String, "time": UnixTimestamp}}
    return kinds[feature.kind]
