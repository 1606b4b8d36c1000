"""Queries of declared tables, answered by PostgreSQL: one read-only snapshot for all tables."""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from feature_repo.sources.declared.convert import EXACT_NUMBER
from feature_repo.sources.declared.files import read_texts
from feature_repo.sources.declared.rows import Raw
from feature_repo.sources.errors import SourceError
from models.spec.source import ADDRESSES, SourceTable

_TYPES = {
    **{"bool": "BOOLEAN", "int2": "BIGINT", "int4": "BIGINT", "int8": "BIGINT", "oid": "BIGINT"},
    **{"float4": "DOUBLE", "float8": "DOUBLE", "numeric": EXACT_NUMBER, "date": "DATE"},
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


def _without_password(message: str, address: str) -> str:
    """The driver's message without what may be a part of the password, such as the rest of one that has an @."""
    if "resolve" in message or "translate host" in message:
        return "a host that has no address (the name is not printed: it may be a part of the password)"
    whole = address.partition("://")[2].rpartition("@")[0].partition(":")[2]
    secrets = {whole, unquote(whole), *re.findall(r"password\s*=\s*('[^']*'|[^\s&]+)", address, re.IGNORECASE)}
    parts = {part for secret in secrets for part in (secret, secret.strip("'"), *re.split(r"[@:/?#&\[\]]", secret))}
    for part in sorted(filter(None, parts), key=len, reverse=True):
        message = re.sub(rf"(?<!\w){re.escape(part)}(?!\w)", "***", message)
    return message


@contextmanager
def database(address: str | None) -> Iterator[Database]:
    """Connect to the source's database, and read as of one moment. Raises SourceError."""
    if address is None:
        raise SourceError(
            "source.database: expected the database that answers the queries of source.tables; found none"
        )
    if address.startswith("env:"):
        variable = address.removeprefix("env:")
        address = os.environ.get(variable, "").strip()
        if not address:
            raise SourceError(f"source.database: expected an address in the variable {variable}; found nothing. Set it")
        if not address.startswith(ADDRESSES):  # not printed: it may hold a password, and so does the driver's message
            raise SourceError(
                f"source.database: expected {' or '.join(ADDRESSES)} at the start of the variable {variable}; found "
                "another text, which is not printed"
            )
    try:
        import psycopg
    except ImportError:
        raise SourceError(
            "source.database: expected the package psycopg; found none. Install Heliograph's extra `postgres`"
        ) from None
    try:
        connection = psycopg.connect(address, connect_timeout=20)
    except psycopg.ProgrammingError:  # its message quotes the address
        raise SourceError(
            "source.database: expected an address that can be read; found another text, which is not printed. Write "
            "signs of the password such as @ : / % as in a URL: %40 %3A %2F %25"
        ) from None
    except (psycopg.Error, UnicodeError) as error:
        found = _without_password(" ".join(str(error).split()), address)[:300]
        raise SourceError(f"source.database: expected a database that can be reached; found {found}") from None
    with connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET DateStyle = 'ISO'")
        yield Database(connection)
