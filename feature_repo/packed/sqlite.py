"""Packed rows in one SQLite file."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from operator import itemgetter
from pathlib import Path

from feature_repo.packed.layout import EVENT_TIME_BYTES, TIMES_BYTES, time_bytes
from feature_repo.packed.rows import Change

TABLE = "rows"
_WAIT = 60.0  # seconds that a writer waits for another one
_KEYS = 10_000  # SQLite allows 32,766 variables per statement
_UPSERT_NEWEST = f"""
    INSERT INTO {TABLE} (key, row) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET row = excluded.row
    WHERE substr({TABLE}.row, 1, {TIMES_BYTES}) <= substr(excluded.row, 1, {TIMES_BYTES})
"""
_EVENT_TIME = f"substr({TABLE}.row, 1, {EVENT_TIME_BYTES})"


class SqliteRows:
    """A ``RowStore`` in a SQLite file, which is created if missing.

    A write-ahead log lets readers continue while a writer writes. Every thread has its own connection.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)
        self._own = threading.local()
        self._all: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with closing(self._connect()) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(f"CREATE TABLE IF NOT EXISTS {TABLE} (key BLOB PRIMARY KEY, row BLOB NOT NULL)")

    def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """See ``RowStore``."""
        found = _get(self._connection, keys)
        return [found.get(key) for key in keys]

    def write_newest(self, pairs: Sequence[tuple[bytes, bytes]], latest: int | None = None) -> None:
        """See ``RowStore``."""
        statement = _UPSERT_NEWEST
        if latest is not None:
            statement += f" OR {_EVENT_TIME} > x'{time_bytes(latest).hex()}'"
        with self._transaction() as connection:
            connection.executemany(statement, sorted(pairs, key=itemgetter(0)))  # key order writes neighboring pages

    def change(self, keys: Sequence[bytes], change: Change) -> None:
        """See ``RowStore``."""
        with self._transaction() as connection:
            found = _get(connection, keys)
            rows = change([found.get(key) for key in keys])
            pairs = [(key, row) for key, row in zip(keys, rows, strict=True) if row is not None]
            connection.executemany(f"INSERT OR REPLACE INTO {TABLE} (key, row) VALUES (?, ?)", pairs)

    def delete(self, prefix: bytes) -> int:
        """See ``RowStore``."""
        where, bounds = _starts_with(prefix)
        with self._transaction() as connection:
            return int(connection.execute(f"DELETE FROM {TABLE} WHERE {where}", bounds).rowcount)

    def remove(self, keys: Sequence[bytes]) -> int:
        """See ``RowStore``. The bytes are overwritten too."""
        self._connection.execute("PRAGMA secure_delete=ON")
        with self._transaction() as connection:
            cursor = connection.executemany(f"DELETE FROM {TABLE} WHERE key = ?", [(key,) for key in keys])
            return int(cursor.rowcount) if keys else 0

    def dump(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """See ``RowStore``."""
        where, bounds = _starts_with(prefix)
        query = f"SELECT key, row FROM {TABLE} WHERE {where} ORDER BY key"
        with closing(self._connect()) as connection:
            yield from connection.execute(query, bounds)

    def close(self) -> None:
        """See ``RowStore``."""
        with self._lock:
            connections, self._all, self._own = self._all, [], threading.local()
        for connection in connections:
            connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """One write transaction, rolled back on any error."""
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    @property
    def _connection(self) -> sqlite3.Connection:
        """This thread's connection."""
        connection: sqlite3.Connection | None = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = self._connect()
            with self._lock:
                self._all.append(connection)
        return connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=_WAIT, isolation_level=None, check_same_thread=False)
        # The write-ahead log survives a killed process; only a power failure may lose the last transactions.
        connection.execute("PRAGMA synchronous=NORMAL")
        return connection


def _get(connection: sqlite3.Connection, keys: Sequence[bytes]) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for start in range(0, len(keys), _KEYS):
        some = keys[start : start + _KEYS]
        marks = ",".join("?" * len(some))
        found.update(connection.execute(f"SELECT key, row FROM {TABLE} WHERE key IN ({marks})", some))
    return found


def _starts_with(prefix: bytes) -> tuple[str, tuple[bytes, ...]]:
    """SQL condition and values: the key starts with the prefix."""
    stem = prefix.rstrip(b"\xff")
    if not stem:
        return "key >= ?", (prefix,)
    return "key >= ? AND key < ?", (prefix, stem[:-1] + bytes([stem[-1] + 1]))
