"""Point-in-time join of one view: for every entity row the last row of its keys at or before its time.

Feast's rule: a row is visible from its event time to its event time plus the view's TTL, both inclusive. Among rows of
one key and event time, the last by (created time, file, row in the file) wins.

DuckDB's ASOF JOIN first joins keys and times only, so that it does not sort the features; ties share the time that it
finds. A hash join then reads the features of the found (keys, time) and decides ties.
"""

import duckdb
import numpy as np
import pyarrow as pa

from feature_repo.stores.errors import RetrievalInputError
from feature_repo.stores.offline.engine import Unit, near, of_source, source_time, unit_of
from feature_repo.stores.offline.entities import Entities
from feature_repo.stores.offline.keys import check_key
from feature_repo.stores.offline.parquet import LAST_ROW, ParquetTable, parquet_table
from feature_repo.stores.offline.requested import RequestedView

_MICROSECONDS = {"us": 1, "ns": 1000}


def features_as_of(connection: duckdb.DuckDBPyConnection, view: RequestedView, entities: Entities) -> pa.Table:
    """The view's features, one row per entity row in their order, null if no row is visible.

    Raises RetrievalInputError if a column is missing or keys cannot be compared.
    """
    table = parquet_table(connection, view.location)
    times = [view.time, *([view.created] if view.created else [])]
    keys = [column for column, _ in view.keys]
    table.check([column for column, _ in view.features], times, keys)
    unit = unit_of(*(table.kinds[column] for column in times), "TIMESTAMP_NS" if entities.unit == "ns" else "TIMESTAMP")
    keyed = entities.keyed([column for _, column in view.keys], unit)
    try:
        connection.register("entities", keyed)
    except duckdb.NotImplementedException as error:
        found = ", ".join(f"{key} {entities.table[key].type}" for _, key in view.keys)
        raise RetrievalInputError(
            f"view {view.name}: expected keys of types that DuckDB supports; found {found}. Convert them in entity_df"
        ) from error
    kinds = {column: kind for column, kind, *_ in connection.execute("DESCRIBE entities").fetchall()}
    for position, key in enumerate(view.keys):
        check_key(view.name, table, key, keyed[f"k{position}"], kinds[f"k{position}"])
    found = _found_versions(view, table, unit, *entities.span())
    connection.execute(f"CREATE OR REPLACE TEMP TABLE found AS {found}")
    features = connection.sql(_features(view, table, unit)).to_arrow_table()
    connection.execute("DROP TABLE found")
    connection.unregister("entities")
    return _in_order(features, entities.table.num_rows).rename_columns([column for _, column in view.features])


def _found_versions(view: RequestedView, table: ParquetTable, unit: Unit, first: int | None, last: int | None) -> str:
    """SQL for (row, k..., t [, file, number]): the time of the version visible to each entity row that has one."""
    keys = [f"k{position}" for position in range(len(view.keys))]
    earliest = first - view.ttl if first is not None and view.ttl is not None else None
    versions = f"""
        SELECT {_columns(view)} {source_time(view.time, unit)} AS t, {_created(view, unit)} AS created,
               source.file_index AS file, source.file_row_number AS number
        FROM {table.sql} AS source WHERE {near(view.time, table.kinds[view.time], earliest, last)}"""
    if keys:  # leave out versions of other keys before the sort
        versions += (
            " AND EXISTS (FROM entities WHERE "
            + " AND ".join(
                f"entities.{key} = {of_source(column)}" for key, (column, _) in zip(keys, view.keys, strict=True)
            )
            + ")"
        )
    exact = ""
    if view.known_by_then and view.created:
        # A version is known from the later of its two times on; visible is the greatest version known by then.
        partition = f"PARTITION BY {', '.join(keys)}" if keys else ""
        versions = f"""
            SELECT {"".join(f"{key}, " for key in keys)} greatest(t, created) AS t,
                   max({{'t': t, 'created': created, 'file': file, 'number': number}})
                   OVER ({partition} ORDER BY greatest(t, created)) AS best
            FROM ({versions}) WHERE created IS NOT NULL"""
        time, exact = "versions.best.t", ", versions.best.file AS file, versions.best.number AS number"
    else:
        time = "versions.t"
    alive = "" if view.ttl is None else f"WHERE entities.t - {view.ttl * _MICROSECONDS[unit]} <= {time}"
    same = "".join(f"entities.{key} = versions.{key} AND " for key in keys)
    return f"""
        SELECT entities.row, {"".join(f"entities.{key}, " for key in keys)} {time} AS t {exact}
        FROM entities ASOF JOIN ({versions}) versions ON {same} entities.t >= versions.t {alive}"""


def _features(view: RequestedView, table: ParquetTable, unit: Unit) -> str:
    """SQL for (row, f0, f1, ...): the features of the found versions; of equal times those of the last one."""
    keys = [f"k{position}" for position in range(len(view.keys))]
    features = [f"f{position}" for position in range(len(view.features))]
    same = ["found.t = versions.t", *(f"found.{key} = versions.{key}" for key in keys)]
    if view.known_by_then and view.created:
        same += ["found.file = versions.file_index", "found.number = versions.file_row_number"]
    read = [f"{of_source(column)} AS {alias}" for alias, (column, _) in zip(features, view.features, strict=True)]
    return f"""
        SELECT {", ".join(["found.row", *features])}
        FROM (SELECT {_columns(view)} {source_time(view.time, unit)} AS t, {_created(view, unit)} AS created,
                     source.file_index, source.file_row_number, {", ".join(read)}
              FROM {table.sql} AS source) versions
        JOIN found ON {" AND ".join(same)}
        QUALIFY row_number() OVER (PARTITION BY found.row ORDER BY created DESC NULLS LAST, {LAST_ROW}) = 1"""


def _columns(view: RequestedView) -> str:
    return "".join(f"{of_source(column)} AS k{position}, " for position, (column, _) in enumerate(view.keys))


def _created(view: RequestedView, unit: Unit) -> str:
    return source_time(view.created, unit) if view.created else "NULL::BIGINT"


def _in_order(features: pa.Table, rows: int) -> pa.Table:
    """The features of all entity rows, in their order, from (row, features) of some rows in any order."""
    position = np.full(rows, -1, dtype=np.int64)
    position[features["row"].to_numpy()] = np.arange(features.num_rows)
    return features.drop_columns(["row"]).take(pa.array(position, mask=position < 0))
