"""Load the impressions for counting: keys, shown and settled times, which counters keep a row, and outcomes."""

from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

from models.counters.plan import CounterPlan, RatePlan
from models.features import counted_attributes
from models.filters import condition
from models.parquet import ROW_NUMBER, check_column_names, parquet_source
from models.spec import Spec, View
from models.spec.counter_plans import snapshot_plans
from models.sql import identifier
from models.time_units import DAY

SHOWN = "shown"
"""Name of the table: id, time, settled (int64 microseconds), then the columns below."""


def key_column(column: str) -> str:
    """Column that holds a key or a compared value, named by the impressions' column or the item feature."""
    return f"key_{column}"


def kept_column(counter: str) -> str:
    """Column that says whether a counter's filter keeps the row."""
    return f"kept_{counter}"


def rate_column(rate: str) -> str:
    """Column of a rate's outcome: 0 to its scale, -1 where undefined."""
    return f"rate_{rate}"


def expected_column(rate: str) -> str:
    """Column of a rate's expected outcome in millionths; null where no residual is booked."""
    return f"expected_{rate}"


def load(connection: duckdb.DuckDBPyConnection, spec: Spec, tables: Path, plans: dict[str, CounterPlan]) -> None:
    """Create the table SHOWN from the Parquet files of the impressions and of the item's views.

    It has the keys of counters and of snapshots, but not the expected outcomes yet.
    """
    shown = spec.impressions
    path = tables / f"{shown.table}.parquet"
    types = _types(path)
    columns = {"id": _of(shown.key), "time": f"epoch_us({_of(shown.time)})"}
    columns["settled"] = f"epoch_us({_of(shown.settled)})"
    attributes = counted_attributes(spec)
    read = [column for plan in plans.values() for column in plan.read_columns]
    read += [column for snapshot in snapshot_plans(spec).values() for column in snapshot.columns]
    for column in dict.fromkeys(read):
        columns[key_column(column)] = (
            identifier(key_column(column), "attributes") if column in attributes else _of(column)
        )
    values: list[Any] = []
    for name, plan in plans.items():
        columns[kept_column(name)], added = condition(dict(plan.filter), types)
        values += added
    rates = {rate.name: rate for plan in plans.values() for rate in plan.rates}
    for rate in rates.values():
        columns[rate_column(rate.name)], added = _outcome(rate, types)
        values += added
    selected = ", ".join(f"{value} AS {identifier(name)}" for name, value in columns.items())
    source = f"{parquet_source(path)} AS rows"
    if attributes:
        found = _attributes(spec, tables, attributes, path)
        source += f" JOIN ({found}) AS attributes ON attributes.id = {_of(shown.key)}"
    connection.execute(f"CREATE TEMP TABLE {SHOWN} AS SELECT {selected} FROM {source}", values)


def _of(column: str) -> str:
    return identifier(column, "rows")


def _outcome(rate: RatePlan, types: dict[str, Any]) -> tuple[str, list[Any]]:
    defined, values = condition(dict(rate.filter), types)
    value = f"CAST({_of(rate.column)} AS BIGINT)"
    return f"CASE WHEN {defined} THEN coalesce({value}, 0) ELSE -1 END", values


def _attributes(spec: Spec, tables: Path, attributes: dict[str, str], path: Path) -> str:
    """SQL for each impression's id and the item's features just before it was shown."""
    shown, node = spec.impressions, spec.nodes[spec.impressions.item.node]
    joins = []
    for number, view in enumerate(dict.fromkeys(attributes.values())):
        versions = _versions(tables, node.views[view], node.key, [f for f, v in attributes.items() if v == view])
        joins.append(
            f"ASOF LEFT JOIN ({versions}) AS v{number} "
            f"ON v{number}.item = {_of(shown.item.column)} AND v{number}.time < epoch_us({_of(shown.time)})"
        )
    places = {view: f"v{number}" for number, view in enumerate(dict.fromkeys(attributes.values()))}
    selected = []
    for feature, view in attributes.items():
        value, ttl = identifier(key_column(feature), places[view]), node.views[view].ttl_days
        if ttl is not None:
            # Feast's rule at the last visible time, time - 1 us: a row is still valid at exactly its time + TTL.
            age = f"epoch_us({_of(shown.time)}) - 1 - {places[view]}.time"
            value = f"CASE WHEN {age} <= {ttl * DAY} THEN {value} END"
        selected.append(f"{value} AS {identifier(key_column(feature))}")
    return f"SELECT {_of(shown.key)} AS id, {', '.join(selected)} FROM {parquet_source(path)} AS rows {' '.join(joins)}"


def _versions(tables: Path, view: View, key: str, features: list[str]) -> str:
    """SQL for a view's versions, one row per (key, time): of equal times the last created, then the file's last."""
    path = tables / f"{view.table}.parquet"
    _types(path)
    created = f"{_of(view.created)} DESC, " if view.created else ""
    selected = ", ".join(f"{_of(feature)} AS {identifier(key_column(feature))}" for feature in features)
    return (
        f"SELECT {_of(key)} AS item, epoch_us({_of(view.time)}) AS time, {selected} "
        f"FROM {parquet_source(path, row_number=True)} AS rows QUALIFY row_number() OVER "
        f"(PARTITION BY {_of(key)}, {_of(view.time)} ORDER BY {created}rows.{ROW_NUMBER} DESC) = 1"
    )


def _types(path: Path) -> dict[str, Any]:
    """Arrow types of a file's columns. Raises ColumnNamesError for names that SQL cannot tell apart."""
    schema = pq.read_schema(path)
    check_column_names(path, schema.names)
    return {field.name: field.type for field in schema}
