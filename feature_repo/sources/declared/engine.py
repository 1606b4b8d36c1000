"""DuckDB for declared tables: it reads nothing but the tables that it is handed."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import duckdb

from feature_repo.sources.errors import SourceError

_CLOSED = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
}


@contextmanager
def engine(zone: str, where: str = "source.tables") -> Iterator[Any]:
    """A connection in which functions of times use that zone. Raises SourceError, which says where, for its errors."""
    with duckdb.connect(config=_CLOSED) as connection:
        connection.execute(f"SET TimeZone = '{zone}'")
        connection.execute("SET lock_configuration = true")
        try:
            yield connection
        except duckdb.Error as error:
            raise SourceError(f"{where}: expected values that DuckDB can compute with; found {reason(error)}") from None


def reason(error: Exception) -> str:
    """DuckDB's message in one line, without the part of the statement that it points to."""
    return " ".join(str(error).split("\n\n")[0].split("\nLINE")[0].split())[:300]
