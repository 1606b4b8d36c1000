"""The served log by days, as tables that DuckDB reads: JSON lines in a folder, or Parquet parts at an address."""

import shutil
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from models import served_parts
from models.parquet import json_lines_source, parquet_files_source, parquet_source
from models.sql import literal
from monitoring.outcomes.columns import TORN, Columns
from monitoring.outcomes.engine import local_files, readable

if TYPE_CHECKING:
    import duckdb

_NEEDED = frozenset(("served", "slate", "position", "item", "member"))


@dataclass(frozen=True)
class ServedDay:
    """The candidates that were served on one day (UTC)."""

    rows: str
    """Statement that gives their rows: ``Columns.every`` and KEY."""
    torn: int = 0
    """Lines and files that could not be read."""


class ServedLog(Protocol):
    """A served log."""

    def days(self) -> list[str]:
        """The days that it has, sorted."""

    def open(self, day: str, whole: bool = False) -> ServedDay:
        """A day's rows; none for a day that it does not have. Raises OSError.

        ``whole``: files are read to their end first, and those with a damaged middle left out.
        """

    def close(self, day: str) -> None:
        """Remove what ``open`` wrote."""

    def impressions(self, day: str, whole: bool = False) -> str:
        """Statement that gives the ids of a day's impressions, some of them null, in the column ``impression``."""


def served_log(
    connection: "duckdb.DuckDBPyConnection", columns: Columns, place: Path | str, scratch: Path
) -> ServedLog:
    """The log in a folder (a path) or at an address (a text); what is written on the way goes to ``scratch``.

    Raises OSError if the address cannot be read.
    """
    if isinstance(place, str):
        return _Parts(connection, columns, place, scratch)
    return _Lines(connection, columns, place, scratch)


class _Lines:
    """A folder of JSON lines. A day's lines are parsed once, into a Parquet file: all else reads that."""

    def __init__(self, connection: "duckdb.DuckDBPyConnection", columns: Columns, folder: Path, scratch: Path) -> None:
        self._connection, self._columns, self._scratch = connection, columns, scratch
        self._files: dict[str, list[str]] = defaultdict(list)
        for file in sorted(folder.glob("*.jsonl")):
            self._files[file.name[:10]].append(str(file.absolute()))

    def days(self) -> list[str]:
        return sorted(self._files)

    def open(self, day: str, whole: bool = False) -> ServedDay:
        if day not in self._files:
            return ServedDay(self._columns.none())
        parsed = self._parsed(day)
        source = f"FROM {parquet_source(parsed)}"
        if not parsed.exists():
            lines = self._columns.of_lines(self._files[day])
            self._connection.execute(
                f"COPY ({lines}) TO {literal(str(parsed))} (FORMAT parquet, COMPRESSION snappy, ROW_GROUP_SIZE 60000)"
            )
        (torn,) = self._connection.execute(f"SELECT count(*) {source} WHERE {TORN}").fetchone() or (0,)
        return ServedDay(f"SELECT * EXCLUDE ({TORN}) {source} WHERE NOT {TORN}", torn)

    def close(self, day: str) -> None:
        self._parsed(day).unlink(missing_ok=True)

    def impressions(self, day: str, whole: bool = False) -> str:
        if self._parsed(day).exists():
            return f"SELECT impression FROM {parquet_source(self._parsed(day))}"
        lines = json_lines_source(self._files[day], {"impression": "VARCHAR", "model": "VARCHAR"})
        return f"SELECT impression FROM {lines} WHERE model = {literal(self._columns.model)}"

    def _parsed(self, day: str) -> Path:
        return self._scratch / f"lines-{day}.parquet"


class _Parts:
    """Parquet parts. Those of one day are fetched where they are remote."""

    def __init__(self, connection: "duckdb.DuckDBPyConnection", columns: Columns, address: str, scratch: Path) -> None:
        self._connection, self._columns, self._scratch = connection, columns, scratch
        self._parts: dict[str, list[str]] = defaultdict(list)
        for part in served_parts.parts(address, columns.model):
            self._parts[served_parts.day_of(part)].append(part)

    def days(self) -> list[str]:
        return sorted(self._parts)

    def open(self, day: str, whole: bool = False) -> ServedDay:
        found = self._local(day)
        files = readable(found, _NEEDED, whole)
        if not files:
            return ServedDay(self._columns.none(), len(found))
        rows = self._columns.of_parts(files, self._present(files))
        (torn,) = self._connection.execute(f"SELECT count(*) FROM ({rows}) WHERE {TORN}").fetchone() or (0,)
        return ServedDay(f"SELECT * EXCLUDE ({TORN}) FROM ({rows}) WHERE NOT {TORN}", torn + len(found) - len(files))

    def close(self, day: str) -> None:
        shutil.rmtree(self._fetched(day), ignore_errors=True)

    def impressions(self, day: str, whole: bool = False) -> str:
        files = readable(self._local(day), _NEEDED | {"impression"}, whole)
        if not files:
            return "SELECT NULL::VARCHAR AS impression WHERE false"
        return f"SELECT impression FROM {parquet_files_source(files)}"

    def _local(self, day: str) -> list[str]:
        folder = self._fetched(day)
        folder.mkdir(parents=True, exist_ok=True)
        return local_files(self._parts.get(day, []), folder)

    def _fetched(self, day: str) -> Path:
        return self._scratch / f"parts-{day}"

    def _present(self, files: list[str]) -> dict[str, str]:
        described = self._connection.execute(f"DESCRIBE SELECT * FROM {parquet_files_source(files)}").fetchall()
        return {name: kind for name, kind, *_ in described}
