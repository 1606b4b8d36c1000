"""Rows of an event table out of a file, checked one by one before anything is pushed."""

import csv
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from feature_repo.stream.errors import StreamError
from feature_repo.stream.events import events_of_row
from feature_repo.stream.plan import EventPlan
from feature_repo.stream.values import expected, parsed, value_of

_SUFFIXES = (".json", ".jsonl", ".csv")


def read_file(plan: EventPlan, file: str) -> list[dict[str, Any]]:
    """The rows of a ``.json`` (a list of objects), ``.jsonl`` or ``.csv`` file; ``-`` reads JSON lines.

    Columns that the spec does not use are left out; times are int microseconds. Raises StreamError.
    """
    if file == "-":
        return checked(plan, _lines(sys.stdin, "standard input"), "standard input")
    path = Path(file)
    if path.suffix not in _SUFFIXES:
        raise StreamError(f"{file}: expected a name that ends in {', '.join(_SUFFIXES)}; found {path.suffix or 'none'}")
    if not path.is_file():
        raise StreamError(f"{file}: expected a file of rows; found no such file")
    with path.open(encoding="utf-8", newline="") as text:
        if path.suffix == ".csv":
            return checked(plan, _cells(plan, text, file), file)
        return checked(plan, _lines(text, file) if path.suffix == ".jsonl" else _objects(text, file), file)


def checked(plan: EventPlan, rows: Iterable[Any], where: str) -> list[dict[str, Any]]:
    """The rows with every value as its column holds it. Raises StreamError with row, column, expected and found."""
    found = []
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, Mapping):
            raise StreamError(f"{where}, row {number}: expected an object of columns; found {row!r}")
        values = {}
        for column, kind in plan.columns.items():
            place = f"{where}, row {number}, column {column}"
            try:
                values[column] = value_of(kind, row.get(column))
            except (ValueError, OverflowError, TypeError):
                raise StreamError(f"{place}: expected {expected(kind)}; found {row[column]!r}") from None
            if values[column] is None and column in plan.required:
                said = "null" if column in row else "no such column"
                raise StreamError(f"{place}: expected {expected(kind)}; found {said}")
        _check_outcomes(plan, values, f"{where}, row {number}")
        found.append(values)
    return found


def _check_outcomes(plan: EventPlan, row: dict[str, Any], where: str) -> None:
    """Outcomes of a settled impression, whatever the item's features are."""
    attributes = dict.fromkeys(plan.impressions.attributes, "") if plan.impressions else {}
    try:
        list(events_of_row(plan, {**row, **attributes}))
    except StreamError as error:
        raise StreamError(f"{where}: {error}") from None


def _objects(text: TextIO, where: str) -> list[Any]:
    try:
        rows = json.load(text)
    except json.JSONDecodeError as error:
        raise StreamError(f"{where}: expected JSON; found {error}") from None
    if not isinstance(rows, list):
        raise StreamError(f"{where}: expected a list of rows; found {type(rows).__name__}")
    return rows


def _lines(text: TextIO, where: str) -> Iterator[Any]:
    rows = (line for line in text if line.strip())
    for number, line in enumerate(rows, start=1):
        try:
            yield json.loads(line)
        except json.JSONDecodeError as error:
            raise StreamError(f"{where}, row {number}: expected one JSON object a line; found {error}") from None


def _cells(plan: EventPlan, text: TextIO, where: str) -> Iterator[dict[str, Any]]:
    for number, row in enumerate(csv.DictReader(text), start=1):
        values = {}
        for column, kind in plan.columns.items():
            if column not in row:
                continue
            try:
                values[column] = parsed(kind, row[column] or "")
            except (ValueError, OverflowError):
                place = f"{where}, row {number}, column {column}"
                raise StreamError(f"{place}: expected {expected(kind)}; found {row[column]!r}") from None
        yield values
