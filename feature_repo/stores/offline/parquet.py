"""A view's Parquet files as a DuckDB table, with the source's field mapping undone.

Values come from the columns of the files only. By default DuckDB adds columns from folder names (``clicked=0/``), reads
a name with brackets as a pattern, treats ``ID`` and ``id`` as one column, and promotes a column that is int64 in one
file and double in another to double. The first three are disabled or refused here; the last is refused if digits could
be lost.
"""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from feature_repo.stores.errors import RetrievalInputError
from feature_repo.stores.offline.engine import is_time
from feature_repo.stores.offline.location import Location
from feature_repo.stores.offline.types import are_exact_together
from models.sql import literal

# Of equal times the last row wins: files sorted by name, rows in file order.
LAST_ROW = "file_index DESC, file_row_number DESC"
_ADDED = ("file_index", "file_row_number")
_NO_GUESSES = "hive_partitioning = false, filename = false"
_READERS = 16


@dataclass(frozen=True)
class ParquetTable:
    """``sql``: the table expression; ``kinds``: DuckDB's type of every column; ``path``: for messages.

    ``schemas``: the Arrow schema of each file.
    """

    sql: str
    kinds: Mapping[str, str]
    path: str
    schemas: Mapping[str, pa.Schema]

    def check(self, columns: Iterable[str], times: Iterable[str], keys: Iterable[str] = ()) -> None:
        """Raise RetrievalInputError unless each column exists once, with one type in all files.

        ``times`` must be time columns; they and ``keys`` must be in every file. Other columns read as null in files
        without them.
        """
        times, keys = [*times], [*keys]
        for column in dict.fromkeys([*columns, *keys, *times]):
            self._check_name(column)
            self._check_parts(column, everywhere=column in times or column in keys)
        for column in times:
            if not is_time(self.kinds[column]):
                raise RetrievalInputError(
                    f"{self.path}: expected a timestamp in column {column!r}; found {self.kinds[column]}. "
                    "Write it as a Parquet timestamp"
                )

    def types_of(self, column: str) -> list[pa.DataType]:
        """The column's distinct Arrow types over the files that have it."""
        return list(dict.fromkeys(s.field(column).type for s in self.schemas.values() if column in s.names))

    def _check_name(self, column: str) -> None:
        alike = [[name for name in s.names if name.lower() == column.lower()] for s in self.schemas.values()]
        found = sorted({name for names in alike for name in names})
        if column not in found:
            raise RetrievalInputError(
                f"{self.path}: expected a column {column!r}; found {', '.join(self.kinds)}. Correct the source's "
                "columns or its field mapping; a folder's name (key=value) is no column"
            )
        if len(found) > 1 or any(len(names) > 1 for names in alike):
            raise RetrievalInputError(
                f"{self.path}: expected one column {column!r}; found {', '.join(found)} (twice), which SQL "
                "takes for one. Rename the others"
            )

    def _check_parts(self, column: str, everywhere: bool) -> None:
        types = {file: schema.field(column).type for file, schema in self.schemas.items() if column in schema.names}
        if everywhere and len(types) < len(self.schemas):
            lacking = next(file for file in self.schemas if file not in types)
            raise RetrievalInputError(
                f"{self.path}: expected column {column!r} in every file; found none in {lacking}. Write it there"
            )
        distinct = self.types_of(column)
        if not are_exact_together(distinct):
            found = ", ".join(f"{kind} in {_first(types, kind)}" for kind in distinct)
            raise RetrievalInputError(
                f"{self.path}, column {column!r}: expected one type in all files; found {found}: together they would "
                "lose digits. Write the files with one type"
            )


def parquet_table(connection: duckdb.DuckDBPyConnection, location: Location) -> ParquetTable:
    """The table at a location. Raises RetrievalInputError if there is no file, or one that is not Parquet."""
    if location.remote is not None:
        _register(connection, location.remote)
    schemas = read_schemas(location)
    for file, schema in schemas.items():
        taken = [name for name in schema.names if name.lower() in _ADDED]
        if taken:
            raise RetrievalInputError(
                f"{file}: expected columns other than {' and '.join(_ADDED)}, which DuckDB adds to a file; found "
                f"{taken[0]}. Rename it"
            )
    paths = ", ".join(literal(path) for path in location.patterns([*schemas]))
    sql = f"read_parquet([{paths}], {_NO_GUESSES}, union_by_name = {len(schemas) > 1})"
    try:
        described = connection.execute(f"DESCRIBE SELECT * FROM {sql}").fetchall()
    except (duckdb.IOException, duckdb.InvalidInputException, duckdb.BinderException, FileNotFoundError) as error:
        raise _unreadable(location, error) from error
    return ParquetTable(sql, {column: kind for column, kind, *_ in described}, location.path, schemas)


def _register(connection: duckdb.DuckDBPyConnection, remote: Any) -> None:
    """Let DuckDB read a file system, once a connection: the views of one retrieval share its endpoint."""
    names = remote.protocol
    if not connection.filesystem_is_registered(names if isinstance(names, str) else names[0]):
        connection.register_filesystem(remote)


def read_schemas(location: Location) -> dict[str, pa.Schema]:
    """Arrow schema of every file at a location. Raises RetrievalInputError if there is none, or one is unreadable."""
    try:
        files, parts = location.arrow()[0], location.parts()
        if not parts:
            raise FileNotFoundError("no file")
        with ThreadPoolExecutor(min(_READERS, len(parts))) as readers:
            found = readers.map(lambda part: pq.read_schema(part, filesystem=files), parts)
            return dict(zip(parts, found, strict=True))
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(location, error) from error


def _unreadable(location: Location, error: Exception) -> RetrievalInputError:
    return RetrievalInputError(
        f"{location.path}: expected Parquet files; found none that can be read ({error}). Correct the source's path"
    )


def _first(types: Mapping[str, pa.DataType], kind: pa.DataType) -> str:
    return next(file for file, found in types.items() if found == kind)
