"""Slate queries on SQLite, each in a thread with its own read-only connection."""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import NamedTuple

from feature_repo.packed.sqlite import TABLE
from feature_repo.slate.query import DownError, PackedRow, Query

_KEYS = 10_000  # SQLite allows 32,766 variables per statement
_STEPS = 1_000  # steps of SQLite's virtual machine between two checks for cancellation


class _Open(NamedTuple):
    connection: sqlite3.Connection
    file: tuple[int, int]
    """Device and inode of the file, which may have been replaced since."""


class SqliteClient:
    """At most ``pool`` threads and connections, opened on demand and reopened when the file is replaced."""

    def __init__(self, path: Path, pool: int) -> None:
        self._path = path
        self._threads = ThreadPoolExecutor(pool, thread_name_prefix="slate")
        self._idle: deque[_Open] = deque()

    async def fetch(self, query: Query) -> list[PackedRow]:
        """See ``QueryClient``. A cancelled query stops and frees its thread."""
        cancelled = Event()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._fetch, query, cancelled)
        except (sqlite3.Error, OSError) as error:
            raise DownError(f"{self._path}: {error}") from error
        finally:
            cancelled.set()

    async def close(self) -> None:
        """Wait for running queries, then close every connection."""
        await asyncio.to_thread(self._threads.shutdown)
        while self._idle:
            self._idle.pop().connection.close()

    def _fetch(self, query: Query, cancelled: Event) -> list[PackedRow]:
        opened = self._take()
        try:
            opened.connection.set_progress_handler(cancelled.is_set, _STEPS)
            opened.connection.execute("BEGIN")  # one snapshot for direct and derived rows
            rows = _get(opened.connection, query.keys)
            for derived in query.derived:
                rows += _get(opened.connection, derived.keys(rows))
            opened.connection.execute("COMMIT")
        except BaseException:
            opened.connection.close()
            raise
        self._idle.append(opened)
        return rows

    def _take(self) -> _Open:
        state = self._path.stat()
        file = (state.st_dev, state.st_ino)
        while True:
            try:
                opened = self._idle.pop()
            except IndexError:
                return _Open(self._connect(), file)
            if opened.file == file:
                return opened
            opened.connection.close()

    def _connect(self) -> sqlite3.Connection:
        address = f"{self._path.resolve().as_uri()}?mode=ro"
        return sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)


def _get(connection: sqlite3.Connection, keys: Sequence[bytes | None]) -> list[PackedRow]:
    found: dict[bytes, bytes] = {}
    for some in _chunks(list({key for key in keys if key is not None})):
        marks = ",".join("?" * len(some))
        with closing(connection.execute(f"SELECT key, row FROM {TABLE} WHERE key IN ({marks})", some)) as cursor:
            found.update(cursor)
    return [None if key is None else found.get(key) for key in keys]


def _chunks(keys: list[bytes]) -> Iterator[list[bytes]]:
    for start in range(0, len(keys), _KEYS):
        yield keys[start : start + _KEYS]
