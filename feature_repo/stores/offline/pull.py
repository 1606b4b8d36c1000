"""Pull rows of a file source: all rows between two times, or the last row of every key."""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from feature_repo.stores.errors import RetrievalInputError
from feature_repo.stores.offline.engine import Unit, near, of_source, source_time, unit_of
from feature_repo.stores.offline.location import Location
from feature_repo.stores.offline.parquet import LAST_ROW, ParquetTable, parquet_table


@dataclass(frozen=True)
class Pull:
    """``columns``: of the result, in order; ``first``, ``last``: microseconds UTC, inclusive, None: unbounded."""

    location: Location
    keys: tuple[str, ...]
    columns: tuple[str, ...]
    time: str
    created: str | None
    first: int | None
    last: int | None

    def table(self, connection: duckdb.DuckDBPyConnection) -> ParquetTable:
        """The files' table. Raises RetrievalInputError if a column is missing or ``time`` is not a time."""
        table = parquet_table(connection, self.location)
        table.check(self.columns, [self.time, *([self.created] if self.created else [])], self.keys)
        return table

    def between(self, table: ParquetTable) -> str:
        """SQL condition on the event time: coarse to skip row groups, then exact."""
        kind = table.kinds[self.time]
        unit = unit_of(kind)
        scale = 1000 if unit == "ns" else 1
        conditions = [near(self.time, kind, self.first, self.last)]
        if self.first is not None:
            conditions.append(f"{source_time(self.time, unit)} >= {self.first * scale}")
        if self.last is not None:
            conditions.append(f"{source_time(self.time, unit)} <= {self.last * scale}")
        return " AND ".join(conditions)


def all_rows(connection: duckdb.DuckDBPyConnection, pull: Pull) -> pa.Table:
    """Every row between the two times, in file order."""
    table = pull.table(connection)
    statement = f"SELECT {_list(pull.columns)} FROM {table.sql} AS source WHERE {pull.between(table)}"
    return connection.sql(statement).to_arrow_table()


def versions(connection: duckdb.DuckDBPyConnection, pull: Pull) -> pa.Table:
    """Every row between the two times; of rows with equal key, event and created time only the last."""
    table = pull.table(connection)
    _check_keys(connection, pull, table)
    unit = unit_of(table.kinds[pull.time], *([table.kinds[pull.created]] if pull.created else []))
    identity = [*map(of_source, pull.keys), source_time(pull.time, unit)]
    identity += [source_time(pull.created, unit)] if pull.created else []
    return connection.sql(
        f"""
        SELECT {_list(pull.columns)} FROM {table.sql} AS source WHERE {pull.between(table)}
        QUALIFY row_number() OVER ({_partition(identity)} ORDER BY {LAST_ROW}) = 1
        ORDER BY source.file_index, source.file_row_number"""
    ).to_arrow_table()


def latest_rows(connection: duckdb.DuckDBPyConnection, pull: Pull) -> pa.Table:
    """The last row of every key between the two times, by (event time, created time, file, row), in file order.

    Null is a key like any other, as in Feast. A first pass over keys and times alone finds each key's newest time, so
    that the other columns are read for rows of that time only.
    """
    table = pull.table(connection)
    _check_keys(connection, pull, table)
    unit = unit_of(table.kinds[pull.time], *([table.kinds[pull.created]] if pull.created else []))
    keys = [of_source(key) for key in pull.keys]
    numbered = [f"k{position}" for position in range(len(keys))]
    named = "".join(f"{key} AS {number}, " for key, number in zip(keys, numbered, strict=True))
    newest = (
        f"SELECT {named}max({source_time(pull.time, unit)}) AS t FROM {table.sql} AS source WHERE {pull.between(table)}"
    )
    newest += f" GROUP BY {', '.join(keys)}" if keys else ""
    same = [f"newest.t = {source_time(pull.time, unit)}"]
    same += [f"newest.{number} IS NOT DISTINCT FROM {key}" for key, number in zip(keys, numbered, strict=True)]
    last = f"QUALIFY row_number() OVER ({_partition(keys)} ORDER BY {_created(pull, unit)}{LAST_ROW}) = 1"
    return connection.sql(
        f"""
        SELECT {_list(pull.columns)} FROM {table.sql} AS source JOIN ({newest}) newest ON {" AND ".join(same)}
        {last} ORDER BY source.file_index, source.file_row_number"""
    ).to_arrow_table()


def _check_keys(connection: duckdb.DuckDBPyConnection, pull: Pull, table: ParquetTable) -> None:
    """Refuse bool keys, and float keys that are fractional or not exact: Feast would convert them to integers."""
    for key in pull.keys:
        kind, column = table.kinds[key], of_source(key)
        exact_below = 2**24 if kind == "FLOAT" else 2**53
        wrong = "true" if kind == "BOOLEAN" else f"{column} <> trunc({column}) OR abs({column}) >= {exact_below}"
        if kind not in ("FLOAT", "DOUBLE", "BOOLEAN"):
            continue
        found = connection.execute(f"SELECT {column} FROM {table.sql} AS source WHERE {wrong} LIMIT 1").fetchone()
        if found:
            raise RetrievalInputError(
                f"{table.path}, key {key!r}: expected whole numbers, below {exact_below} as {kind}; found "
                f"{found[0]}. Write it as int64"
            )


def _partition(columns: Sequence[str]) -> str:
    return f"PARTITION BY {', '.join(columns)}" if columns else ""


def _created(pull: Pull, unit: Unit) -> str:
    """Sort order of created times, last first."""
    return f"{source_time(pull.created, unit)} DESC NULLS LAST, " if pull.created else ""


def _list(columns: Sequence[str]) -> str:
    return ", ".join(map(of_source, columns))
