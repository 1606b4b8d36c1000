"""The stream's part of the definitions: one push source an event table, and the view of last activities."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from feature_repo.pushed import EDGES, KEYS, PUSHED_AT, RECENT, TIMES
from feature_repo.stream.columns import activity_edges, column_kinds, edge_names, events_view, typed_filter
from feature_repo.stream.plan import TAG, ActivityEdge, EventPlan, ImpressionPlan, Kind
from models.counters.plan import CounterPlan, RatePlan, plans
from models.features import attribute_keys
from models.spec import Spec


def build_events(spec: Spec, tables: Path, pushed: Path, objects: list[Any]) -> list[Any]:
    """The events views with their push sources, and ``recent_activities``.

    ``objects`` are the other definitions: entities, and the views of items and counters that the stream reads and
    writes. Events views are a way in, not out: they are not online, and the stock `feast materialize` leaves them.
    Raises NotAppliedError where an event table is missing, DefinitionError where a column's type is of no use.
    """
    from feast import Entity, FeatureView

    views = {item.name: item for item in objects if isinstance(item, FeatureView)}
    member = next(o for o in objects if isinstance(o, Entity) and o.name == spec.impressions.member.node)
    recent = _recent_view(member, pushed)
    moved = {RECENT: recent, **{name: views[name] for name in [*plans(spec), *attribute_keys(spec).values()]}}
    plan_of = {table: _plan(spec, tables, table, moved) for table in event_tables(spec)}
    return [recent, *(_events_view(plan, member, tables) for plan in plan_of.values())]


def event_tables(spec: Spec) -> list[str]:
    """The tables whose rows can be pushed: the impressions, then those of engagement edges."""
    return list(dict.fromkeys([spec.impressions.table, *activity_edges(spec)]))


def _plan(spec: Spec, tables: Path, table: str, views: Mapping[str, Any]) -> EventPlan:
    from feature_repo.stream.layouts import stored_view

    shown, edges = spec.impressions, activity_edges(spec)
    own = edges.get(table, [])
    impressions = table == shown.table
    member_column = shown.member.column if impressions else own[0].member
    required = [member_column]
    if impressions:
        required += [shown.key, shown.time, shown.item.column, shown.surface]
    else:
        required += [column for edge in own for column in (edge.member, edge.target, edge.time)]
    read = [*required, *(column for edge in own for column in (edge.member, edge.target, edge.time, *edge.filter))]
    counters = plans(spec) if impressions else {}
    attributes = attribute_keys(spec)
    if impressions:
        read.append(shown.settled)
        for counter in counters.values():
            read += [column for column in counter.columns if column not in attributes]
            read += [*counter.filter, *(c for rate in counter.rates for c in (rate.column, *rate.filter))]
    kinds = column_kinds(tables, table, list(dict.fromkeys(read)))
    used = views if impressions else {RECENT: views[RECENT]}
    return EventPlan(
        table=table,
        time=shown.time if impressions else own[0].time,
        member_key=spec.nodes[shown.member.node].key,
        member_column=member_column,
        columns=kinds,
        required=tuple(dict.fromkeys(required)),
        last=spec.model.activities,
        edges=tuple(edge_names(spec)),
        activities=tuple(_typed_edge(edge, kinds) for edge in own),
        impressions=_impressions(spec, kinds, counters, attributes) if impressions else None,
        views={name: stored_view(view) for name, view in used.items()},
        known=tuple(pq.read_schema(tables / f"{table}.parquet").names),
        spec=spec.model_dump_json(by_alias=True),
    )


def _impressions(
    spec: Spec, kinds: Mapping[str, Kind], counters: Mapping[str, CounterPlan], attributes: Mapping[str, str]
) -> ImpressionPlan:
    shown = spec.impressions
    return ImpressionPlan(
        key=shown.key,
        time=shown.time,
        settled=shown.settled,
        member=shown.member.column,
        item=shown.item.column,
        counters=tuple(_typed_counter(counter, kinds) for counter in counters.values()),
        attributes=attributes,
    )


def _typed_edge(edge: ActivityEdge, kinds: Mapping[str, Kind]) -> ActivityEdge:
    return replace(edge, filter=typed_filter(edge.filter, kinds))


def _typed_counter(counter: CounterPlan, kinds: Mapping[str, Kind]) -> CounterPlan:
    rates: list[RatePlan] = [replace(rate, filter=typed_filter(rate.filter, kinds)) for rate in counter.rates]
    return replace(counter, filter=typed_filter(counter.filter, kinds), rates=tuple(rates))


def _events_view(plan: EventPlan, member: Any, tables: Path) -> Any:
    from feast import FeatureView, Field, FileSource, PushSource
    from feast.data_format import ParquetFormat
    from feast.types import Float32, Float64, Int64, String, from_value_type

    # A moment is text: Feast's own timestamps are whole seconds on their way to an online store.
    types = {"int": Int64, "float": Float32, "double": Float64, "text": String, "time": String}
    key, column = plan.member_key, plan.member_column
    name = events_view(plan.table)
    batch = FileSource(
        name=f"{name}_batch",
        path=str((tables / f"{plan.table}.parquet").resolve()),
        file_format=ParquetFormat(),
        timestamp_field=plan.time,
        field_mapping={} if key == column else {column: key},
    )
    fields = {c: types[kind] for c, kind in plan.columns.items() if c not in (column, plan.time)}
    return FeatureView(
        name=name,
        entities=[member],
        schema=[Field(name=key, dtype=from_value_type(member.value_type))]
        + [Field(name=c, dtype=dtype) for c, dtype in fields.items()],
        source=PushSource(name=plan.table, batch_source=batch),
        online=False,
        tags={TAG: plan.to_json()},
    )


def _recent_view(member: Any, pushed: Path) -> Any:
    from feast import FeatureView, Field, FileSource, PushSource
    from feast.data_format import ParquetFormat
    from feast.types import Array, Int64, String, from_value_type

    batch = FileSource(
        name=f"{RECENT}_pushed",
        path=str((pushed / f"{RECENT}.parquet").resolve()),
        file_format=ParquetFormat(),
        timestamp_field=PUSHED_AT,
    )
    fields = {EDGES: Array(String), KEYS: Array(String), TIMES: Array(Int64)}
    return FeatureView(
        name=RECENT,
        entities=[member],
        schema=[Field(name=member.join_key, dtype=from_value_type(member.value_type))]
        + [Field(name=c, dtype=dtype) for c, dtype in fields.items()],
        source=PushSource(name=RECENT, batch_source=batch),
        online=True,
    )
