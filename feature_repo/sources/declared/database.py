"""Queries of declared tables, answered by PostgreSQL: one read-only snapshot for all tables."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from feature_repo.sources.declared.files import read_texts
from feature_repo.sources.declared.rows import Raw
from feature_repo.sources.errors import SourceError
from models.spec.source import SourceTable

_TYPES = {
    **{"bool": "BOOLEAN", "int2": "BIGINT", "int4": "BIGINT", "int8": "BIGINT", "oid": "BIGINT"},
    **{"float4": "DOUBLE", "float8": "DOUBLE", "numeric": "DOUBLE", "date": "DATE"},
    **{"timestamp": "TIMESTAMP", "timestamptz": "TIMESTAMPTZ", "_float4": "DOUBLE[]", "_float8": "DOUBLE[]"},
    **{"_int2": "DOUBLE[]", "_int4": "DOUBLE[]", "_text": "VARCHAR[]", "_varchar": "VARCHAR[]", "vector": "DOUBLE[]"},
}
"""Types of PostgreSQL; every other is read as text."""
_AS_WRITTEN = SourceTable(query="", columns={"all": "all"})


class Database:
    """A connection, within one transaction."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def answer(self, name: str, query: str) -> tuple[Raw, dict[str, str]]:
        """The rows of a query, with the types of its columns. Raises SourceError."""
        import psycopg

        query = query.strip().rstrip(";")
        place = f"source.tables.{name}.query"
        try:
            with self._connection.cursor(binary=True) as cursor:  # one statement: more are refused
                cursor.execute(f"SELECT * FROM ({query}\n) AS answer LIMIT 0")
                columns = [(one.name, one.type_code) for one in cursor.description]
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "answer.csv"
                with (
                    file.open("wb") as written,
                    self._connection.cursor() as cursor,
                    cursor.copy(f"COPY ({query}\n) TO STDOUT (FORMAT csv, HEADER true, FORCE_QUOTE *)") as copy,
                ):
                    for block in copy:
                        written.write(block)
                rows = read_texts(file, _AS_WRITTEN, quoted_nulls=False)
        except psycopg.Error as error:
            found = " ".join(str(error).split())[:300]
            raise SourceError(f"{place}: expected a query that the database answers; found {found}") from None
        return Raw(rows, place, texts=True), {column: self._type(code) for column, code in columns}

    def _type(self, code: int) -> str:
        """The type of a column, from PostgreSQL's number of it."""
        known = self._connection.adapters.types.get(code)
        if known is not None:
            return _TYPES.get(f"_{known.name}" if code == known.array_oid else known.name, "VARCHAR")
        found = self._connection.execute("SELECT typname FROM pg_type WHERE oid = %s", [code]).fetchone()
        return _TYPES.get(found[0] if found else "", "VARCHAR")  # of an extension: another number in every database


@contextmanager
def database(address: str | None) -> Iterator[Database]:
    """Connect to the source's database, and read as of one moment. Raises SourceError."""
    if address is None:
        raise SourceError(
            "source.database: expected the database that answers the queries of source.tables; found none"
        )
    if address.startswith("env:"):
        variable = address.removeprefix("env:")
        address = os.environ.get(variable, "")
        if not address:
            raise SourceError(f"source.database: expected an address in the variable {variable}; found nothing. Set it")
    try:
        import psycopg
    except ImportError:
        raise SourceError(
            "source.database: expected the package psycopg; found none. Install Heliograph's extra `postgres`"
        ) from None
    try:
        connection = psycopg.connect(address, connect_timeout=20)
    except psycopg.Error as error:  # its message has no password
        found = " ".join(str(error).split())[:300]
        raise SourceError(f"source.database: expected a database that can be reached; found {found}") from None
    with connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET DateStyle = 'ISO'")
        yield Database(connection)
