"""A view's Parquet files as DuckDB sees them, with the source's field mapping undone."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import duckdb

from feature_repo.stores.errors import RetrievalInputError
from feature_repo.stores.offline.engine import is_time, text
from feature_repo.stores.offline.location import Location


@dataclass(frozen=True)
class ParquetTable:
    """``sql``: the table expression; ``kinds``: DuckDB's type of every column; ``path``: for messages."""

    sql: str
    kinds: Mapping[str, str]
    path: str

    def check(self, columns: Iterable[str], times: Iterable[str]) -> None:
        """Raise RetrievalInputError unless all columns are there and those of ``times`` hold times."""
        for column in [*columns, *times]:
            if column not in self.kinds:
                raise RetrievalInputError(
                    f"{self.path}: expected a column {column!r}; found {', '.join(self.kinds)}. "
                    "Correct the source's columns, or its field mapping"
                )
        for column in times:
            if not is_time(self.kinds[column]):
                raise RetrievalInputError(
                    f"{self.path}: expected a timestamp in column {column!r}; found {self.kinds[column]}. "
                    "Write it as a Parquet timestamp"
                )


# The last row wins where times tie: files in the order of their names, rows in their order in the file.
LAST_ROW = "file_index DESC, file_row_number DESC"


def parquet_table(connection: duckdb.DuckDBPyConnection, location: Location) -> ParquetTable:
    """The table at a location. Raises RetrievalInputError if there is no file, or not a Parquet file."""
    if location.remote is not None:
        connection.register_filesystem(location.remote)
    sql = f"read_parquet({text(location.glob)}, union_by_name = {not location.one_file})"
    try:
        described = connection.execute(f"DESCRIBE SELECT * FROM {sql}").fetchall()
    except (duckdb.IOException, duckdb.InvalidInputException, duckdb.BinderException, FileNotFoundError) as error:
        raise RetrievalInputError(
            f"{location.path}: expected Parquet files; found none that can be read ({error}). Correct the source's path"
        ) from error
    return ParquetTable(sql, {column: kind for column, kind, *_ in described}, location.path)
