"""DuckDB for declared tables: it reads nothing but the tables that it is handed."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import duckdb

_CLOSED = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
}


@contextmanager
def engine(zone: str) -> Iterator[Any]:
    """A connection in which functions of times use that zone."""
    with duckdb.connect(config=_CLOSED) as connection:
        connection.execute(f"SET TimeZone = '{zone}'")
        connection.execute("SET lock_configuration = true")
        yield connection


def reason(error: Exception) -> str:
    """DuckDB's message in one line, without the part of the statement that it points to."""
    return " ".join(str(error).split("\n\n")[0].split("\nLINE")[0].split())[:300]
