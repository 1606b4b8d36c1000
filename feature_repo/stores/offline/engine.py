"""DuckDB connections with resource bounds, and SQL for names, strings and times."""

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import duckdb

from models.sql import identifier
from models.time_units import SECOND

Unit = Literal["us", "ns"]

_NANOSECONDS = ("TIMESTAMP_NS", "TIMESTAMPTZ_NS")
_TIMES = ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP_S", "TIMESTAMP_MS", "DATE", *_NANOSECONDS)
_LARGEST_NS = 2**63 - 10**9  # the largest values mean infinity
_LARGEST_US = 2**62  # DuckDB's last timestamp is a little before 2**63 microseconds


@dataclass(frozen=True)
class Bounds:
    """What a query may use: DuckDB's memory (``1GB``), threads (None: all cores), a folder to spill to."""

    memory: str
    threads: int | None = None
    folder: Path | None = None


@contextmanager
def connected(bounds: Bounds, timeout: float | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection in UTC that spills to its own temporary folder.

    Raises TimeoutError if the block's statements take longer than ``timeout`` seconds.
    """
    with tempfile.TemporaryDirectory(dir=bounds.folder, prefix="as_of_", ignore_cleanup_errors=True) as spilled:
        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": bounds.memory,
            "temp_directory": spilled,
            "autoinstall_known_extensions": False,
            "python_enable_replacements": False,  # a name in a query is never a Python variable
        }
        if bounds.threads is not None:
            settings["threads"] = bounds.threads
        with duckdb.connect(":memory:", config=settings) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute("SET enable_progress_bar = false")
            timer = threading.Timer(timeout, connection.interrupt) if timeout else None
            try:
                if timer is not None:
                    timer.start()
                yield connection
            except duckdb.InterruptException as error:
                raise TimeoutError(f"offline store: expected a result within {timeout} s; it took longer") from error
            finally:
                if timer is not None:
                    timer.cancel()


SOURCE = "source"
"""Alias of the file in a statement; qualifies its columns, so that no alias hides them."""


def of_source(column: str) -> str:
    """A column of the file that a statement reads as SOURCE."""
    return identifier(column, SOURCE)


def is_time(kind: str) -> bool:
    """Whether a DuckDB type is a time."""
    return kind in _TIMES


def unit_of(*kinds: str) -> Unit:
    """The unit that holds times of all these DuckDB types exactly."""
    return "ns" if any(kind in _NANOSECONDS for kind in kinds) else "us"


def source_time(column: str, unit: Unit) -> str:
    """A time column of SOURCE as int64 since 1970 UTC; a time without a zone is UTC."""
    return f"epoch_{unit}({of_source(column)})"


def near(column: str, kind: str, first: int | None, last: int | None) -> str:
    """Condition on SOURCE that lets DuckDB skip row groups outside ``first``..``last`` (microseconds), to a second."""
    literal = {
        "TIMESTAMP": "make_timestamp({us})",
        "TIMESTAMP WITH TIME ZONE": "make_timestamptz({us})",
        "TIMESTAMP_NS": "make_timestamp_ns({ns})",
        "TIMESTAMPTZ_NS": "make_timestamp_ns({ns})::TIMESTAMPTZ_NS",
    }.get(kind)
    conditions = [f"{of_source(column)} IS NOT NULL"]
    for sign, bound in ((">=", first), ("<=", last)):
        if literal is not None and bound is not None:
            us = bound - SECOND if sign == ">=" else bound + SECOND
            ns = max(-_LARGEST_NS, min(_LARGEST_NS, us * 1000))
            us = max(-_LARGEST_US, min(_LARGEST_US, us))
            conditions.append(f"{of_source(column)} {sign} " + literal.format(us=us, ns=ns))
    return " AND ".join(conditions)
