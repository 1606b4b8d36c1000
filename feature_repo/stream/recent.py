"""Last activities of every member from the canonical tables: the batch equivalent of the stream's lists."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from feature_repo.views.events import ActivityEdge, activity_edges
from feature_repo.views.pushed import EDGES, KEYS, PUSHED_AT, TIMES, recent_schema
from models.filters import condition
from models.parquet import check_column_names, parquet_source
from models.spec import Spec
from models.sql import identifier, literal


def recent(spec: Spec, tables: Path, until: int) -> pa.Table:
    """The last ``model.activities`` activities of each member strictly before ``until`` (microseconds UTC).

    One row per member with activities, in ``recent_schema``, sorted by (time of the last activity, member). Within a
    list activities are ordered by (time, edge, target key, impression key); duplicates are removed.
    """
    import duckdb

    parts, values = [], list[Any]()
    edges = [edge for group in activity_edges(spec).values() for edge in group]
    tables_of = {edge.name: table for table, group in activity_edges(spec).items() for edge in group}
    schema = recent_schema(spec)
    if not edges:
        return schema.empty_table()
    for edge in edges:
        part, filtered = _activities(spec, tables / f"{tables_of[edge.name]}.parquet", edge)
        parts.append(part)
        values += [*filtered, until]
    order = "time, place, rank"
    statement = (
        f"WITH activities AS ({' UNION ALL '.join(parts)}), newest AS (SELECT * FROM activities QUALIFY row_number() "
        f"OVER (PARTITION BY member ORDER BY time DESC, place DESC, rank DESC) <= {spec.model.activities}) "
        f"SELECT member, make_timestamptz(max(time)) AS {PUSHED_AT}, list(edge ORDER BY {order}) AS {EDGES}, "
        f"list(key ORDER BY {order}) AS {KEYS}, list(time ORDER BY {order}) AS {TIMES} "
        "FROM newest GROUP BY member ORDER BY max(time), member"
    )
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        table = connection.sql(statement, params=values).to_arrow_table()
    return table.rename_columns(schema.names).cast(schema)


def _activities(spec: Spec, path: Path, edge: ActivityEdge) -> tuple[str, list[Any]]:
    """SQL for one edge's activities before a time: member, time, place, rank among those of equal time, edge, key."""
    schema = pq.read_schema(path)
    check_column_names(path, schema.names)
    types = {field.name: field.type for field in schema}
    kept, values = condition(edge.filter, types)
    identity = _of(spec.impressions.key) if path.stem == spec.impressions.table else "''"
    distinct = (
        f"SELECT DISTINCT {_of(edge.member)} AS member, {_of(edge.target)} AS target, {identity} AS id, "
        f"epoch_us({_of(edge.time)}) AS time FROM {parquet_source(path)} AS rows "
        f"WHERE {kept} AND {_of(edge.member)} IS NOT NULL AND {_of(edge.target)} IS NOT NULL "
        f"AND epoch_us({_of(edge.time)}) < ?"
    )
    return (
        f"(SELECT member, time, {edge.place} AS place, "
        "row_number() OVER (PARTITION BY member, time ORDER BY target, id) AS rank, "
        f"{literal(edge.name)} AS edge, CAST(target AS VARCHAR) AS key FROM ({distinct}))"
    ), values


def _of(column: str) -> str:
    return identifier(column, "rows")
