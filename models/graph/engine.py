"""Interface of the SQL engines that run the relational part of a graph build.

Statements are written once, as single SELECTs in DuckDB's dialect (sqlglot translates them for Spark), and use only
what means the same in both:

- SELECT, [LEFT] JOIN ... ON, UNION ALL, WHERE, GROUP BY, HAVING, DISTINCT, subqueries, WITH, window functions with
  PARTITION BY and ORDER BY, CASE, coalesce, count, min, max, sum, arg_min, arg_max, FILTER (WHERE ...), sqrt, floor,
  ``epoch_us(timestamp)``. No QUALIFY, ASOF, ANTI/SEMI JOIN, EXCLUDE, lists, random numbers or LIMIT without ORDER BY.
- Types BIGINT, INTEGER, FLOAT (32 bits), DOUBLE, VARCHAR, BOOLEAN, each through CAST. ``/`` gives a DOUBLE, ``//`` a
  whole number. A sum of whole numbers is ``CAST(sum(x) AS BIGINT)``. An integer overflow is an error.
- Values go in as ``?`` (str, int, float, bool), names in double quotes; nulls sort last.
- Every row of a registered file has its position in ``file_row_number``. Relations have no order: an ordered result
  needs ORDER BY with a unique last key, at the end of the statement that is fetched or streamed.
- Sums of floating-point numbers may differ in the last bits between engines; everything else is equal.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import pyarrow as pa

Values = Sequence[str | int | float | bool]


class Connection(Protocol):
    """Named relations of one build. Methods raise StatementError, or EngineError if memory or disk is full."""

    def register(self, name: str, path: Path) -> None:
        """Make a Parquet file the relation ``name``: its columns and ``file_row_number`` (BIGINT, from 0)."""

    def create(self, name: str, statement: str, values: Values = ()) -> None:
        """Materialize the result of a SELECT as the new relation ``name``; ``values`` fill its ``?`` placeholders."""

    def drop(self, name: str) -> None:
        """Remove a created relation and free its storage."""

    def fetch(self, statement: str, values: Values = ()) -> pa.Table:
        """The result of a SELECT as one table, for results that fit into memory."""

    def stream(self, statement: str, values: Values = ()) -> Iterator[pa.RecordBatch]:
        """The result of a SELECT, of any size, in its order as a stream of batches."""


class Engine(Protocol):
    """How a build connects to an engine."""

    def connect(self, scratch: Path) -> AbstractContextManager[Connection]:
        """Open a connection that stores its files in the existing folder ``scratch``; the caller removes it."""
