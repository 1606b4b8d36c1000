"""What runs the relational part of building a graph: an existing engine under a small interface.

Statements are written once, as single SELECTs in DuckDB's dialect, and hold to what DuckDB and Spark (to which sqlglot
carries them over) mean alike:

- SELECT, [LEFT] JOIN ... ON, UNION ALL, WHERE, GROUP BY, HAVING, DISTINCT, subqueries, WITH, window functions with
  PARTITION BY and ORDER BY, CASE, coalesce, count, min, max, sum, arg_min, arg_max, FILTER (WHERE ...), sqrt, floor,
  ``epoch_us(timestamp)``. No QUALIFY, ASOF, ANTI/SEMI JOIN, EXCLUDE, lists, random numbers or LIMIT without ORDER BY.
- Types BIGINT, INTEGER, FLOAT (32 bits), DOUBLE, VARCHAR, BOOLEAN, each through CAST. ``/`` gives a DOUBLE, ``//`` a
  whole number. A sum of whole numbers is ``CAST(sum(x) AS BIGINT)``. Integers do not wrap: an overflow is an error.
- Values go in as ``?`` (str, int, float, bool), names in double quotes; nulls sort last.
- Every row of a registered file has its place in ``file_row_number``. Relations have no order: what must be ordered
  says so by ORDER BY with a last key that is unique, at the end of the statement that is fetched or streamed.
- Sums of floating-point numbers may differ in the last bits between engines; everything else is equal.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import pyarrow as pa

Values = Sequence[str | int | float | bool]


class Connection(Protocol):
    """Relations under names, for one build. Every method raises StatementError, or EngineError for want of room."""

    def register(self, name: str, path: Path) -> None:
        """Make a Parquet file the relation ``name``: its columns and ``file_row_number`` (BIGINT, from 0)."""

    def create(self, name: str, statement: str, values: Values = ()) -> None:
        """Materialise what a SELECT answers as the new relation ``name``."""

    def drop(self, name: str) -> None:
        """Forget a created relation and free its room."""

    def fetch(self, statement: str, values: Values = ()) -> pa.Table:
        """What a SELECT answers, whole: for answers that fit into memory."""

    def stream(self, statement: str, values: Values = ()) -> Iterator[pa.RecordBatch]:
        """What a SELECT answers, in its order, piece by piece: of any size."""


class Engine(Protocol):
    """How to reach an engine; what a build is given."""

    def connect(self, scratch: Path) -> AbstractContextManager[Connection]:
        """Open a connection that may fill the folder ``scratch``, which exists and which the caller removes."""
