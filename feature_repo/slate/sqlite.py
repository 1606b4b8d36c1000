"""Slate reads from SQLite: one hop to a thread that has a read-only connection of its own."""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import NamedTuple

from feature_repo.slate.question import DownError, Question, Row
from feature_repo.stores.online.sqlite import TABLE

_AT_ONCE = 10_000  # SQLite takes 32,766 variables a statement
_STEPS = 1_000  # of SQLite's machine, between two looks at whether the reader has given up


class _Open(NamedTuple):
    connection: sqlite3.Connection
    file: tuple[int, int]
    """Device and number of the file behind it: another one may be put in its place."""


class SqliteAccess:
    """At most ``pool`` threads and connections, made when they are needed and made again when the file changes."""

    def __init__(self, path: Path, pool: int) -> None:
        self._path = path
        self._threads = ThreadPoolExecutor(pool, thread_name_prefix="slate")
        self._idle: deque[_Open] = deque()

    async def fetch(self, question: Question) -> list[Row]:
        """See ``Access``. A read that is cancelled stops and frees its thread."""
        given_up = Event()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._fetch, question, given_up)
        except (sqlite3.Error, OSError) as error:
            raise DownError(f"{self._path}: {error}") from error
        finally:
            given_up.set()

    async def close(self) -> None:
        """Wait for the reads that go on, then close every connection."""
        await asyncio.to_thread(self._threads.shutdown)
        while self._idle:
            self._idle.pop().connection.close()

    def _fetch(self, question: Question, given_up: Event) -> list[Row]:
        opened = self._take()
        try:
            opened.connection.set_progress_handler(given_up.is_set, _STEPS)
            opened.connection.execute("BEGIN")  # one snapshot for both looks
            rows = _get(opened.connection, question.keys)
            for derived in question.derived:
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


def _get(connection: sqlite3.Connection, keys: Sequence[bytes | None]) -> list[Row]:
    found: dict[bytes, bytes] = {}
    for some in _chunks(list({key for key in keys if key is not None})):
        marks = ",".join("?" * len(some))
        with closing(connection.execute(f"SELECT key, row FROM {TABLE} WHERE key IN ({marks})", some)) as cursor:
            found.update(cursor)
    return [None if key is None else found.get(key) for key in keys]


def _chunks(keys: list[bytes]) -> Iterator[list[bytes]]:
    for start in range(0, len(keys), _AT_ONCE):
        yield keys[start : start + _AT_ONCE]
