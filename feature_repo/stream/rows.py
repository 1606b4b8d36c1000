"""Rows of an event table out of a file, checked one by one before anything is pushed."""

import csv
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from feature_repo.stream.errors import StreamError
from feature_repo.stream.judge import judge_of
from feature_repo.stream.plan import EventPlan
from feature_repo.stream.values import expected, parsed, value_of

_SUFFIXES = (".json", ".jsonl", ".csv")


def read_file(plan: EventPlan, file: str) -> list[dict[str, Any]]:
    """The rows of a ``.json`` (a list of objects), ``.jsonl`` or ``.csv`` file; ``-`` reads JSON lines.

    Columns of the table that the spec does not use are left out; times are int microseconds. Raises StreamError.
    """
    if file == "-":
        return checked(plan, _lines(plan, sys.stdin, "standard input"), "standard input")
    path = Path(file)
    if path.suffix not in _SUFFIXES:
        raise StreamError(f"{file}: expected a name that ends in {', '.join(_SUFFIXES)}; found {path.suffix or 'none'}")
    if not path.is_file():
        raise StreamError(f"{file}: expected a file of rows; found no such file")
    try:
        # A byte order mark is no part of the first column's name.
        with path.open(encoding="utf-8-sig", newline="") as text:
            if path.suffix == ".csv":
                return checked(plan, _cells(plan, text, file), file)
            return checked(plan, (_lines if path.suffix == ".jsonl" else _objects)(plan, text, file), file)
    except UnicodeDecodeError as error:
        raise StreamError(f"{file}: expected text in UTF-8; found {error.reason} at byte {error.start}") from None


def checked(plan: EventPlan, rows: Iterable[Any], where: str) -> list[dict[str, Any]]:
    """The rows with every value as its column holds it, if ingest would take them all.

    Raises StreamError with row (from 1), column, expected and found.
    """
    judge = judge_of(plan)
    found = []
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, Mapping):
            raise StreamError(f"{where}, row {number}: expected an object of columns; found {row!r:.200}")
        values = {}
        for column, kind in plan.columns.items():
            place, given = f"{where}, row {number}, column {column}", row.get(column)
            try:
                if isinstance(given, bool) and column in judge.keys:
                    raise ValueError(given)
                values[column] = value_of(kind, given)
            except (ValueError, OverflowError, TypeError):
                raise StreamError(f"{place}: expected {expected(kind)}; found {given!r:.200}") from None
            if values[column] is None and column in plan.required:
                said = "null" if column in row else "no such column"
                raise StreamError(f"{place}: expected {expected(kind)}; found {said}")
        found.append(values)
    judge.check(found, where)
    return found


def check_names(plan: EventPlan, names: Iterable[str], where: str) -> None:
    """Raise StreamError for a column that the table does not have: a slip of the pen would leave values out."""
    for name in names:
        if name not in plan.known:
            raise StreamError(
                f"{where}: expected columns of the table {plan.table} ({', '.join(plan.known)}); found {name!r:.200}"
            )


def _objects(plan: EventPlan, text: TextIO, where: str) -> Iterator[Any]:
    try:
        rows = json.load(text, parse_constant=_no_number, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise StreamError(f"{where}: expected JSON; found {error}") from None
    if not isinstance(rows, list):
        raise StreamError(f"{where}: expected a list of rows; found {type(rows).__name__}")
    return _named(plan, rows, where)


def _lines(plan: EventPlan, text: Iterable[str], where: str) -> Iterator[Any]:
    return _named(plan, _parsed(text, where), where)


def _parsed(text: Iterable[str], where: str) -> Iterator[Any]:
    rows = (line for line in text if line.strip("\ufeff \t\r\n"))
    for number, line in enumerate(rows, start=1):
        try:
            yield json.loads(line.lstrip("\ufeff"), parse_constant=_no_number, object_pairs_hook=_once)
        except (ValueError, RecursionError) as error:
            raise StreamError(f"{where}, row {number}: expected one JSON object a line; found {error}") from None


def _named(plan: EventPlan, rows: Iterable[Any], where: str) -> Iterator[Any]:
    for number, row in enumerate(rows, start=1):
        if isinstance(row, Mapping):
            check_names(plan, row, f"{where}, row {number}")
        yield row


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names differ."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for place, (name, _) in enumerate(pairs) if name in dict(pairs[:place]))
        raise ValueError(f"the column {twice!r:.200} twice")
    return found


def _no_number(text: str) -> Any:
    raise ValueError(f"{text}, which is no JSON")


def _cells(plan: EventPlan, text: TextIO, where: str) -> Iterator[dict[str, Any]]:
    """Rows of a CSV file: commas, a header of the table's columns, as many cells in every row."""
    lines = csv.reader(text, strict=True)
    try:
        header = next(lines, None)
        if not header:
            raise StreamError(f"{where}: expected a header of the table's columns; found none")
        check_names(plan, header, f"{where}, header")
        for name in header:
            if header.count(name) > 1:
                raise StreamError(f"{where}, header: expected each column once; found {name!r} again")
        number = 0
        for cells in lines:
            if not cells:
                continue
            number += 1
            if len(cells) != len(header):
                raise StreamError(
                    f"{where}, row {number}: expected {len(header)} cells, as in the header; found {len(cells)}"
                )
            yield _row(plan, dict(zip(header, cells, strict=True)), f"{where}, row {number}")
    except csv.Error as error:
        raise StreamError(f"{where}, line {lines.line_num}: expected CSV; found {error}") from None


def _row(plan: EventPlan, cells: Mapping[str, str], where: str) -> dict[str, Any]:
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
