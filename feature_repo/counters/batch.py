"""Write the table of every counter from the canonical tables."""

import logging
import time
from collections.abc import Mapping
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from feature_repo.counters.expected import add_expectations, snapshot_rows
from feature_repo.counters.impressions import load
from feature_repo.counters.state_sql import statement
from models.counters.columns import state_columns
from models.features import VALID_FROM, counter_table
from models.spec import Spec
from models.spec.counter_plans import counter_plans, residual_plan

log = logging.getLogger(__name__)
_ROWS = 100_000


def count(spec: Spec, tables: Path, folder: Path) -> dict[str, int]:
    """Write the table of every counter of the spec, of ``overall`` and of the snapshots behind residuals into
    ``folder``; return the rows of each table.

    ``tables`` holds the impressions and the item's views as Parquet. A table has the counter's keys, ``valid_from`` and
    its state (int64, list<int64>) as of ``valid_from`` inclusive: one row per key and time of change, sorted by
    ``valid_from`` and keys. The same input gives the same bytes.
    """
    counters = counter_plans(spec)
    rows: dict[str, int] = {}
    if not counters:
        return rows
    with duckdb.connect() as connection:
        load(connection, spec, tables, counters)
        written: dict[str, tuple[str, Mapping[str, str]]] = {
            name: (statement(plan), state_columns(plan)) for name, plan in counters.items()
        }
        if (residuals := residual_plan(spec)) is not None:
            add_expectations(connection, residuals)
            written |= {one.name: (snapshot_rows(residuals, one), one.state_columns) for one in residuals.snapshots}
        for name, (sql, columns) in written.items():
            started = time.monotonic()
            table = counter_table(name)
            rows[table] = _write(connection, sql, columns, folder / f"{table}.parquet")
            log.info("counter %s: %d rows in %.1f s", name, rows[table], time.monotonic() - started)
    return rows


def _write(connection: duckdb.DuckDBPyConnection, sql: str, columns: Mapping[str, str], path: Path) -> int:
    """Stream one table to its file: a counter need not fit in memory."""
    reader = connection.sql(sql).to_arrow_reader(_ROWS)
    kinds = {"int": pa.int64(), "ints": pa.list_(pa.int64())}
    types = {VALID_FROM: pa.timestamp("us", tz="UTC")}
    types |= {column: kinds[kind] for column, kind in columns.items()}
    schema = pa.schema([(field.name, types.get(field.name, field.type)) for field in reader.schema])
    rows = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in reader:
            writer.write_table(pa.Table.from_batches([batch]).cast(schema))
            rows += batch.num_rows
    return rows
