"""Outcomes from a file or standard input, checked before anything is stored."""

import csv
import sys
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from feature_repo.outcomes.row import OutcomeError, checked
from feature_repo.stream.read_file import check_once, parse_lines, parse_list
from models.outcome_parts import Outcome

_SUFFIXES = (".parquet", ".csv", ".jsonl", ".json")


def read_outcomes(tasks: Collection[str], file: str) -> list[Outcome]:
    """The outcomes of a ``.parquet``, ``.csv``, ``.jsonl`` or ``.json`` (a list) file; ``-``: JSON lines from stdin.

    Columns are impression, task, value, happened and, if it is known, received. Raises OutcomeError, StreamError.
    """
    if file == "-":
        return checked(parse_lines(sys.stdin, "standard input"), tasks, "standard input")
    path = Path(file)
    if path.suffix not in _SUFFIXES:
        raise OutcomeError(
            f"{file}: expected a name that ends in {', '.join(_SUFFIXES)}; found {path.suffix or 'none'}"
        )
    if not path.is_file():
        raise OutcomeError(f"{file}: expected a file of outcomes; found no such file")
    if path.suffix == ".parquet":
        return checked(_parquet_rows(path), tasks, file)
    try:
        with path.open(encoding="utf-8-sig", newline="") as text:
            rows = {".csv": _csv_rows, ".jsonl": parse_lines, ".json": parse_list}[path.suffix]
            return checked(rows(text, file), tasks, file)
    except UnicodeDecodeError as error:
        raise OutcomeError(f"{file}: expected text in UTF-8; found {error.reason} at byte {error.start}") from None


def _parquet_rows(path: Path) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as content:
            for batch in content.iter_batches():
                yield from batch.to_pylist()
    except pa.ArrowException as error:
        raise OutcomeError(f"{path}: expected a Parquet file; found {str(error).splitlines()[0]:.200}") from None


def _csv_rows(text: Iterable[str], where: str) -> Iterator[dict[str, Any]]:
    """Rows of a CSV file: commas, a header, as many cells in every row; an empty cell is no value."""
    lines = csv.reader(text, strict=True)
    try:
        header = next(lines, [])
        check_once(header, where)
        for number, cells in enumerate((line for line in lines if line), start=1):
            if len(cells) != len(header):
                raise OutcomeError(f"{where}, row {number}: expected {len(header)} cells; found {len(cells)}")
            row: dict[str, Any] = {name: cell or None for name, cell in zip(header, cells, strict=True)}
            yield {**row, "value": {"0": 0, "1": 1}.get(row.get("value", ""), row.get("value"))}
    except csv.Error as error:
        raise OutcomeError(f"{where}, line {lines.line_num}: expected CSV; found {error}") from None
