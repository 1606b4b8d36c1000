"""Feast definitions of the stream: one view and push source per event table, and the view of last activities."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from feature_repo.stream.columns import column_kinds, event_schema, typed_filter
from feature_repo.stream.packed_rows import stored_view
from feature_repo.stream.plan import TAG, EventPlan, ImpressionPlan, Kind
from feature_repo.views.events import ActivityEdge, activity_edges, edge_names, event_tables, events_view
from feature_repo.views.pushed import EDGES, KEYS, PUSHED_AT, RECENT, TIMES, pushed_file
from models.counters.plan import CounterPlan, RatePlan
from models.features import counted_attributes, counter_views
from models.spec import Spec
from models.spec.counter_plans import counter_plans, residual_plan
from models.storage import join


def build_events(spec: Spec, tables: str, pushed: str, objects: list[Any]) -> list[Any]:
    """Build ``recent_activities`` and the events views with their push sources.

    ``tables`` and ``pushed`` are addresses. ``objects`` are the other definitions: entities, and the views of items and
    counters that the stream reads and writes. Events views only accept rows; they are not online, and the stock ``feast
    materialize`` skips them. Raises NotAppliedError if an event table is missing, DefinitionError if a column has an
    unusable type.
    """
    from feast import Entity, FeatureView

    views = {item.name: item for item in objects if isinstance(item, FeatureView)}
    member = next(o for o in objects if isinstance(o, Entity) and o.name == spec.impressions.member.node)
    recent = _recent_view(member, pushed)
    counters = counter_plans(spec)
    used = {
        RECENT: recent,
        **{name: views[name] for name in [*counter_views(spec), *counted_attributes(spec).values()]},
    }
    plans = [
        _impressions_plan(spec, tables, used, counters)
        if table == spec.impressions.table
        else _edge_table_plan(spec, tables, table, used)
        for table in event_tables(spec)
    ]
    return [recent, *(_events_view(plan, member, tables) for plan in plans)]


def _impressions_plan(
    spec: Spec, tables: str, views: Mapping[str, Any], counters: Mapping[str, CounterPlan]
) -> EventPlan:
    shown = spec.impressions
    attributes = counted_attributes(spec)
    required = [shown.member.column, shown.key, shown.time, shown.item.column, shown.surface]
    read = [shown.settled, *([shown.served] if shown.served else [])]
    for counter in counters.values():
        read += [column for column in counter.read_columns if column not in attributes]
        read += [*counter.filter, *(c for rate in counter.rates for c in (rate.column, *rate.filter))]
    plan = _plan(spec, tables, shown.table, required, read, views)
    impressions = ImpressionPlan(
        key=shown.key,
        time=shown.time,
        settled=shown.settled,
        member=shown.member.column,
        item=shown.item.column,
        counters=tuple(_typed_counter(counter, plan.columns) for counter in counters.values()),
        attributes=attributes,
        residual=residual_plan(spec),
    )
    return replace(plan, time=shown.time, impressions=impressions)


def _edge_table_plan(spec: Spec, tables: str, table: str, views: Mapping[str, Any]) -> EventPlan:
    edges = activity_edges(spec)[table]
    required = [edges[0].member, *(column for edge in edges for column in (edge.member, edge.target, edge.time))]
    plan = _plan(spec, tables, table, required, [], {RECENT: views[RECENT]})
    return replace(plan, time=edges[0].time)


def _plan(
    spec: Spec, tables: str, table: str, required: list[str], read: list[str], views: Mapping[str, Any]
) -> EventPlan:
    """The plan of any event table, without its event time and impressions; the first required column is the member."""
    own = activity_edges(spec).get(table, [])
    activity = [column for edge in own for column in (edge.member, edge.target, edge.time, *edge.filter)]
    kinds = column_kinds(tables, table, list(dict.fromkeys([*required, *activity, *read])))
    return EventPlan(
        table=table,
        time="",
        member_key=spec.nodes[spec.impressions.member.node].key,
        member_column=required[0],
        columns=kinds,
        required=tuple(dict.fromkeys(required)),
        last=spec.model.activities,
        edges=tuple(edge_names(spec)),
        activities=tuple(_typed_edge(edge, kinds) for edge in own),
        impressions=None,
        views={name: stored_view(view) for name, view in views.items()},
        known=tuple(event_schema(tables, table).names),
        spec=spec.model_dump_json(by_alias=True),
    )


def _typed_edge(edge: ActivityEdge, kinds: Mapping[str, Kind]) -> ActivityEdge:
    return replace(edge, filter=typed_filter(edge.filter, kinds))


def _typed_counter(counter: CounterPlan, kinds: Mapping[str, Kind]) -> CounterPlan:
    rates: list[RatePlan] = [replace(rate, filter=typed_filter(rate.filter, kinds)) for rate in counter.rates]
    return replace(counter, filter=typed_filter(counter.filter, kinds), rates=tuple(rates))


def _events_view(plan: EventPlan, member: Any, tables: str) -> Any:
    from feast import FeatureView, Field, FileSource, PushSource
    from feast.data_format import ParquetFormat
    from feast.types import Float32, Float64, Int64, String, from_value_type

    # Times are text: Feast rounds its own timestamps to whole seconds on the way to an online store.
    types = {"int": Int64, "float": Float32, "double": Float64, "text": String, "time": String}
    key, column = plan.member_key, plan.member_column
    name = events_view(plan.table)
    batch = FileSource(
        name=f"{name}_batch",
        path=join(tables, f"{plan.table}.parquet"),
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


def _recent_view(member: Any, pushed: str) -> Any:
    from feast import FeatureView, Field, FileSource, PushSource
    from feast.data_format import ParquetFormat
    from feast.types import Array, Int64, String, from_value_type

    batch = FileSource(
        name=f"{RECENT}_pushed",
        path=pushed_file(pushed, RECENT),
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
