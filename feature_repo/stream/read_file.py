"""Rows of an event table from a file or standard input, validated before anything is pushed."""

import csv
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from feature_repo.stream.errors import StreamError
from feature_repo.stream.plan import EventPlan
from feature_repo.stream.validator import check_names, validated
from feature_repo.stream.values import expected, parsed

_SUFFIXES = (".json", ".jsonl", ".csv")


def read_file(plan: EventPlan, file: str) -> list[dict[str, Any]]:
    """Read the rows of a ``.json`` (a list of objects), ``.jsonl`` or ``.csv`` file; ``-`` reads JSON lines from stdin.

    Columns of the table that the spec does not use are left out; times are int microseconds. Raises StreamError.
    """
    if file == "-":
        return validated(plan, _json_lines(plan, sys.stdin, "standard input"), "standard input")
    path = Path(file)
    if path.suffix not in _SUFFIXES:
        raise StreamError(f"{file}: expected a name that ends in {', '.join(_SUFFIXES)}; found {path.suffix or 'none'}")
    if not path.is_file():
        raise StreamError(f"{file}: expected a file of rows; found no such file")
    try:
        # utf-8-sig: a byte order mark is not part of the first column's name.
        with path.open(encoding="utf-8-sig", newline="") as text:
            if path.suffix == ".csv":
                return validated(plan, _csv_rows(plan, text, file), file)
            return validated(plan, (_json_lines if path.suffix == ".jsonl" else _json_list)(plan, text, file), file)
    except UnicodeDecodeError as error:
        raise StreamError(f"{file}: expected text in UTF-8; found {error.reason} at byte {error.start}") from None


def _json_list(plan: EventPlan, text: TextIO, where: str) -> Iterator[Any]:
    return _known_columns(plan, parse_list(text, where), where)


def parse_list(text: TextIO, where: str) -> list[Any]:
    """The values of a JSON list. Raises StreamError."""
    try:
        rows = json.load(text, parse_constant=_refuse_constant, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise StreamError(f"{where}: expected JSON; found {error}") from None
    if not isinstance(rows, list):
        raise StreamError(f"{where}: expected a list of rows; found {type(rows).__name__}")
    return rows


def _json_lines(plan: EventPlan, text: Iterable[str], where: str) -> Iterator[Any]:
    return _known_columns(plan, parse_lines(text, where), where)


def parse_lines(text: Iterable[str], where: str) -> Iterator[Any]:
    """The values of JSON lines; empty ones are left out. Raises StreamError."""
    rows = (line for line in text if line.strip("\ufeff \t\r\n"))
    for number, line in enumerate(rows, start=1):
        try:
            yield json.loads(line.lstrip("\ufeff"), parse_constant=_refuse_constant, object_pairs_hook=_unique)
        except (ValueError, RecursionError) as error:
            raise StreamError(f"{where}, row {number}: expected one JSON object per line; found {error}") from None


def _known_columns(plan: EventPlan, rows: Iterable[Any], where: str) -> Iterator[Any]:
    for number, row in enumerate(rows, start=1):
        if isinstance(row, Mapping):
            check_names(plan, row, f"{where}, row {number}")
        yield row


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; raises ValueError if a name occurs twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for place, (name, _) in enumerate(pairs) if name in dict(pairs[:place]))
        raise ValueError(f"the column {twice!r:.200} twice")
    return found


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text}, which is not JSON")


def _csv_rows(plan: EventPlan, text: TextIO, where: str) -> Iterator[dict[str, Any]]:
    """Rows of a CSV file: commas, a header of the table's columns, as many cells in every row."""
    lines = csv.reader(text, strict=True)
    try:
        header = next(lines, None)
        if not header:
            raise StreamError(f"{where}: expected a header of the table's columns; found none")
        check_names(plan, header, f"{where}, header")
        check_once(header, where)
        for number, cells in enumerate((line for line in lines if line), start=1):
            if len(cells) != len(header):
                raise StreamError(
                    f"{where}, row {number}: expected {len(header)} cells, as in the header; found {len(cells)}"
                )
            yield _parse_cells(plan, dict(zip(header, cells, strict=True)), f"{where}, row {number}")
    except csv.Error as error:
        raise StreamError(f"{where}, line {lines.line_num}: expected CSV; found {error}") from None


def check_once(header: list[str], where: str) -> None:
    """Raise StreamError if a name occurs twice in the header of a CSV file."""
    for name in header:
        if header.count(name) > 1:
            raise StreamError(f"{where}, header: expected each column once; found {name!r:.200} again")


def _parse_cells(plan: EventPlan, cells: Mapping[str, str], where: str) -> dict[str, Any]:
    values = {}
    for column, kind in plan.columns.items():
        if column not in cells:
            continue
        try:
            values[column] = parsed(kind, cells[column])
        except (ValueError, OverflowError):
            raise StreamError(
                f"{where}, column {column}: expected {expected(kind)}; found {cells[column]!r:.200}"
            ) from None
    return values
