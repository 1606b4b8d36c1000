"""Packed rows in one SQLite file."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from operator import itemgetter
from pathlib import Path
from typing import Literal

from feast import RepoConfig
from feast.repo_config import FeastConfigBaseModel
from pydantic import StrictStr

from feature_repo.stores.online.layout import MOMENT, MOMENTS, moment_bytes
from feature_repo.stores.online.rows import Change
from feature_repo.stores.online.store import PackedOnlineStore

TABLE = "rows"
_NAME = "feature_repo.stores.online.PackedSqliteOnlineStore"
_WAIT = 60.0  # seconds that a writer waits for the one before it
_KEYS = 10_000  # SQLite takes 32,766 variables a statement
_BEHIND = f"""
    INSERT INTO {TABLE} (key, row) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET row = excluded.row
    WHERE substr({TABLE}.row, 1, {MOMENTS}) <= substr(excluded.row, 1, {MOMENTS})
"""
_EVENT = f"substr({TABLE}.row, 1, {MOMENT})"


class PackedSqliteOnlineStoreConfig(FeastConfigBaseModel):
    """``online_store`` of a feature_store.yaml; ``path`` is relative to it."""

    type: Literal["feature_repo.stores.online.PackedSqliteOnlineStore"] = _NAME  # type: ignore[assignment]
    path: StrictStr = "data/online.db"


class PackedSqliteOnlineStore(PackedOnlineStore):
    """Feast's online store in one SQLite file."""

    def connect(self, config: RepoConfig) -> "SqliteRows":
        """The rows of the configured file."""
        return SqliteRows(database(config))


def database(config: RepoConfig) -> Path:
    """The configured file."""
    path = Path(config.online_store.path)
    return path if path.is_absolute() or config.repo_path is None else Path(config.repo_path) / path


class SqliteRows:
    """A ``RowStore`` in a file, created where there is none; see its methods there.

    A write-ahead log lets readers go on while a writer writes; every thread has a connection of its own.
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
        statement = _BEHIND if latest is None else f"{_BEHIND} OR {_EVENT} > x'{moment_bytes(latest).hex()}'"
        with self._writing() as connection:
            connection.executemany(statement, sorted(pairs, key=itemgetter(0)))  # by key: neighbours at once

    def change(self, keys: Sequence[bytes], change: Change) -> None:
        """See ``RowStore``."""
        with self._writing() as connection:
            found = _get(connection, keys)
            rows = change([found.get(key) for key in keys])
            pairs = [(key, row) for key, row in zip(keys, rows, strict=True) if row is not None]
            connection.executemany(f"INSERT OR REPLACE INTO {TABLE} (key, row) VALUES (?, ?)", pairs)

    def delete(self, prefix: bytes) -> int:
        """See ``RowStore``."""
        where, bounds = _begins(prefix)
        with self._writing() as connection:
            return int(connection.execute(f"DELETE FROM {TABLE} WHERE {where}", bounds).rowcount)

    def remove(self, keys: Sequence[bytes]) -> int:
        """See ``RowStore``."""
        with self._writing() as connection:
            found = connection.executemany(f"DELETE FROM {TABLE} WHERE key = ?", [(key,) for key in keys])
            return int(found.rowcount) if keys else 0

    def dump(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """See ``RowStore``."""
        where, bounds = _begins(prefix)
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
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it or nothing."""
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
        """This thread's."""
        connection: sqlite3.Connection | None = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = self._connect()
            with self._lock:
                self._all.append(connection)
        return connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=_WAIT, isolation_level=None, check_same_thread=False)
        # The log makes a killed process harmless; only a lost machine may take the last chunks with it.
        connection.execute("PRAGMA synchronous=NORMAL")
        return connection


def _get(connection: sqlite3.Connection, keys: Sequence[bytes]) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for start in range(0, len(keys), _KEYS):
        some = keys[start : start + _KEYS]
        marks = ",".join("?" * len(some))
        found.update(connection.execute(f"SELECT key, row FROM {TABLE} WHERE key IN ({marks})", some))
    return found


def _begins(prefix: bytes) -> tuple[str, tuple[bytes, ...]]:
    """The condition that a key begins so."""
    stem = prefix.rstrip(b"\xff")
    if not stem:
        return "key >= ?", (prefix,)
    return "key >= ? AND key < ?", (prefix, stem[:-1] + bytes([stem[-1] + 1]))
