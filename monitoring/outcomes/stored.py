"""Stored outcomes as one table of DuckDB: a row per impression, the first outcome of each task."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from models import outcome_parts
from models.clock import tolerance
from models.parquet import json_lines_source, parquet_files_source
from models.spec import Spec
from models.sql import literal
from models.time_units import DAY
from monitoring.outcomes.columns import KEY, Columns
from monitoring.outcomes.engine import local_files, readable

if TYPE_CHECKING:
    import duckdb

STORED = "stored"
_TEXTS, _NUMBERS = ("impression", "task"), ("value", "happened", "received")
_COLUMNS = {**dict.fromkeys(_TEXTS, "VARCHAR"), **dict.fromkeys(_NUMBERS, "BIGINT")}


def load(
    connection: "duckdb.DuckDBPyConnection",
    spec: Spec,
    places: Sequence[Path | str],
    span: tuple[int, int],
    now: int,
    scratch: Path,
) -> Counter[str]:
    """Create STORED from outcomes received from the begin of a span on until ``now``, microseconds.

    ``places``: addresses of the store's parts (text) and folders of lines that a server wrote (paths). For each task,
    by its number in the spec: ``w0`` is the first received outcome {received, happened, no}, ``n0`` how many there are.
    Of those received at once, the one that happened first counts, then a positive one. Returns how many lines and files
    were not read, by the day (UTC) of the file or of its folder; those of days after the span are not its. Raises
    OSError.
    """
    sources, torn, days = [], Counter[str](), _Days(*span)
    for number, place in enumerate(places):
        folder = scratch / f"outcomes-{number}"
        folder.mkdir(parents=True, exist_ok=True)
        if isinstance(place, str):
            source, damaged = _parts(connection, place, days, folder)
        else:
            source, damaged = _lines(connection, spec, place, days, folder)
        sources += source
        torn += damaged
    tasks = ", ".join(map(literal, spec.tasks))
    nothing = ", ".join(f"NULL::{kind} AS {name}" for name, kind in _COLUMNS.items())
    rows = " UNION ALL ".join(sources) or f"SELECT {nothing}"
    first = "min({'received': received, 'happened': happened, 'no': 1 - value})"
    firsts = ", ".join(
        f"{first} FILTER (task = {literal(task)}) AS w{number}, count(*) FILTER (task = {literal(task)}) AS n{number}"
        for number, task in enumerate(spec.tasks)
    )
    connection.execute(
        f"CREATE TABLE {STORED} AS SELECT impression AS {KEY}, {firsts} FROM ({rows}) "
        f"WHERE task IN ({tasks}) AND value IN (0, 1) AND received <= {now} GROUP BY impression"
    )
    return torn


class _Days(NamedTuple):
    """A span: int64 microseconds UTC, the end not included."""

    begin: int
    end: int

    @property
    def first(self) -> str:
        """The first day (UTC) that may have outcomes of the span."""
        return outcome_parts.day_of(max(0, self.begin - tolerance()))

    def by_day(self, files: Mapping[str, str]) -> dict[str, list[str]]:
        """Files (file -> its day) by day; those of days outside of the span under ""."""
        days = {outcome_parts.day_of(time) for time in range(self.begin, self.end, DAY)}
        found: dict[str, list[str]] = defaultdict(list)
        for file, day in files.items():
            found[day if day in days else ""].append(file)
        return found


def _parts(
    connection: "duckdb.DuckDBPyConnection", address: str, days: _Days, folder: Path
) -> tuple[list[str], Counter[str]]:
    import duckdb

    parts = {part: part.rpartition("/day=")[2][:10] for part in outcome_parts.parts(address, days.first)}
    found: dict[str, str] = {}
    for day, own in days.by_day(parts).items():
        (place := folder / f"of-{day}").mkdir(parents=True, exist_ok=True)
        found |= dict.fromkeys(local_files(own, place), day)
    files = readable(list(found), frozenset(_COLUMNS))
    names = ", ".join(_COLUMNS)
    try:
        if files:
            connection.execute(
                f"SELECT {', '.join(f'max({name})' for name in _COLUMNS)} FROM {parquet_files_source(files)}"
            ).fetchall()
    except duckdb.Error:
        files = readable(files, frozenset(_COLUMNS), whole=True)
    torn = Counter(day for file, day in found.items() if day and file not in set(files))
    return [f"SELECT {names} FROM {parquet_files_source(files)}"] if files else [], torn


def _lines(
    connection: "duckdb.DuckDBPyConnection", spec: Spec, folder: Path, days: _Days, scratch: Path
) -> tuple[list[str], Counter[str]]:
    files = {str(file.absolute()): file.name[:10] for file in sorted(folder.glob("*.jsonl"))}
    damaged = " OR ".join(f"{name} IS NULL" for name in _COLUMNS)
    model = literal(Columns.of(spec).model)
    sources, torn = [], Counter[str]()
    for day, own in days.by_day({file: day for file, day in files.items() if day >= days.first}).items():
        lines = json_lines_source(own, {"model": "VARCHAR", **_COLUMNS})
        parsed = scratch / f"lines-{day}.parquet"
        connection.execute(
            f"COPY (SELECT * EXCLUDE (model), {damaged} AS torn FROM {lines} WHERE coalesce(model, {model}) = {model}) "
            f"TO {literal(str(parsed))} (FORMAT parquet)"
        )
        source = f"FROM {parquet_files_source([str(parsed)])}"
        (count,) = connection.execute(f"SELECT count(*) {source} WHERE torn").fetchone() or (0,)
        sources.append(f"SELECT {', '.join(_COLUMNS)} {source} WHERE NOT torn")
        torn[day] += count if day else 0
    return sources, torn
