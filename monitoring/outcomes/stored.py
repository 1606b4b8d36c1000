"""Stored outcomes as one table of DuckDB: a row per impression, the first outcome of each task."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from models import outcome_parts
from models.clock import tolerance
from models.parquet import json_lines_source, parquet_files_source
from models.spec import Spec
from models.sql import literal
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
    scratch: Path,
) -> int:
    """Create STORED from outcomes received in a span, microseconds; return how many lines and files were not read.

    ``places``: addresses of the store's parts (text) and folders of lines that a server wrote (paths). For each task,
    by its number in the spec: ``w0`` is the first received outcome {received, happened, no}, ``n0`` how many there are.
    Of those received at once, the one that happened first counts, then a positive one. Raises OSError.
    """
    sources, torn = [], 0
    for number, place in enumerate(places):
        folder = scratch / f"outcomes-{number}"
        folder.mkdir(parents=True, exist_ok=True)
        if isinstance(place, str):
            source, damaged = _parts(connection, place, span[0], folder)
        else:
            source, damaged = _lines(connection, spec, place, span[0], folder)
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
        f"WHERE task IN ({tasks}) AND value IN (0, 1) AND received <= {span[1]} GROUP BY impression"
    )
    return torn


def _parts(connection: "duckdb.DuckDBPyConnection", address: str, first: int, folder: Path) -> tuple[list[str], int]:
    import duckdb

    found = local_files(outcome_parts.parts(address, outcome_parts.day_of(max(0, first - tolerance()))), folder)
    files = readable(found, frozenset(_COLUMNS))
    names = ", ".join(_COLUMNS)
    try:
        if files:
            connection.execute(
                f"SELECT {', '.join(f'max({name})' for name in _COLUMNS)} FROM {parquet_files_source(files)}"
            ).fetchall()
    except duckdb.Error:
        files = readable(files, frozenset(_COLUMNS), whole=True)
    return [f"SELECT {names} FROM {parquet_files_source(files)}"] if files else [], len(found) - len(files)


def _lines(
    connection: "duckdb.DuckDBPyConnection", spec: Spec, folder: Path, first: int, scratch: Path
) -> tuple[list[str], int]:
    day = outcome_parts.day_of(max(0, first - tolerance()))
    files = [str(file.absolute()) for file in sorted(folder.glob("*.jsonl")) if file.name[:10] >= day]
    if not files:
        return [], 0
    lines = json_lines_source(files, {"model": "VARCHAR", **_COLUMNS})
    torn = " OR ".join(f"{name} IS NULL" for name in _COLUMNS)
    parsed = scratch / "lines.parquet"
    model = literal(Columns.of(spec).model)
    connection.execute(
        f"COPY (SELECT * EXCLUDE (model), {torn} AS torn FROM {lines} WHERE coalesce(model, {model}) = {model}) "
        f"TO {literal(str(parsed))} (FORMAT parquet)"
    )
    source = f"FROM {parquet_files_source([str(parsed)])}"
    (damaged,) = connection.execute(f"SELECT count(*) {source} WHERE torn").fetchone() or (0,)
    return [f"SELECT {', '.join(_COLUMNS)} {source} WHERE NOT torn"], damaged
