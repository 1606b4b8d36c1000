"""Entity rows for a request without any: every key with a row in a time range, as of the end of the range."""

from collections.abc import Sequence

import duckdb
import numpy as np
import pyarrow as pa
from feast.infra.offline_stores.offline_utils import DEFAULT_ENTITY_DF_EVENT_TIMESTAMP_COL as TIME

from feature_repo.stores.errors import RetrievalInputError, UnsupportedError
from feature_repo.stores.offline.engine import of_source
from feature_repo.stores.offline.entities import UTC_MICROSECONDS, Entities
from feature_repo.stores.offline.parquet import ParquetTable, parquet_table
from feature_repo.stores.offline.pull import Pull
from feature_repo.stores.offline.requested import RequestedView
from feature_repo.stores.offline.types import are_exact_together
from models.sql import identifier


def snapshot_entities(
    connection: duckdb.DuckDBPyConnection, views: Sequence[RequestedView], first: int, last: int
) -> Entities:
    """The sorted keys of the views' rows from ``first`` to ``last`` (microseconds UTC, inclusive), all as of ``last``.

    Raises UnsupportedError if the views have different keys, RetrievalInputError if a key has different types.
    """
    keyed = [view for view in views if view.keys]
    keys = list(dict.fromkeys(column for view in keyed for _, column in view.keys))
    for view in keyed:
        if {column for _, column in view.keys} != set(keys):
            raise UnsupportedError(
                f"entity_df=None: expected views of the same keys; found {keys} among them and "
                f"{[column for _, column in view.keys]} of view {view.name}. Pass an entity_df, or request one view "
                "at a time"
            )
    table = pa.table({TIME: pa.array([last], UTC_MICROSECONDS)})
    if keyed:
        tables = [parquet_table(connection, view.location) for view in keyed]
        for view, found in zip(keyed, tables, strict=True):
            found.check((), [view.time], [column for column, _ in view.keys])
        _check_types(keyed, tables, keys)
        parts = " UNION ".join(_keys(view, found, keys, first, last) for view, found in zip(keyed, tables, strict=True))
        table = connection.sql(f"FROM ({parts}) ORDER BY ALL").to_arrow_table()
        table = table.append_column(TIME, pa.array(np.full(table.num_rows, last)).cast(UTC_MICROSECONDS))
    rows = table.num_rows
    return Entities(table, TIME, np.full(rows, last), np.zeros(rows, dtype=bool), "us")


def _check_types(views: Sequence[RequestedView], tables: Sequence[ParquetTable], keys: list[str]) -> None:
    """Raise RetrievalInputError unless each key has one type in all views, or types that mix exactly."""
    for key in keys:
        kinds = {
            kind: view.name
            for view, table in zip(views, tables, strict=True)
            for column, entity_column in view.keys
            if entity_column == key
            for kind in table.types_of(column)
        }
        if not are_exact_together([*kinds]):
            raise RetrievalInputError(
                f"entity_df=None, key {key}: expected one type in all views; found "
                f"{', '.join(f'{kind} in view {view}' for kind, view in kinds.items())}. Write the files with one type"
            )


def _keys(view: RequestedView, table: ParquetTable, keys: list[str], first: int, last: int) -> str:
    """SQL for the distinct keys of one view in the time range."""
    column_of = {entity_column: column for column, entity_column in view.keys}
    between = Pull(view.location, (), (), view.time, None, first, last).between(table)
    selected = ", ".join(f"{of_source(column_of[key])} AS {identifier(key)}" for key in keys)
    return f"SELECT DISTINCT {selected} FROM {table.sql} AS source WHERE {between}"
