"""Check of incoming outcomes."""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any, NoReturn

from feature_repo.stream.values import expected, value_of
from models.clock import bound, latest, now, readable
from models.outcome_parts import Outcome
from models.time_units import microseconds

LONGEST_ID = 256
"""Characters of an impression's id at most."""
EARLIEST = microseconds(datetime(2000, 1, 1, tzinfo=UTC))
"""The earliest time of an outcome: seconds or milliseconds, read as microseconds, are before it."""


class OutcomeError(ValueError):
    """Raised for outcomes that cannot be used; the message names the row (from 1) and the column. Nothing is stored."""


def checked(rows: Iterable[Any], tasks: Collection[str], where: str, received: bool = True) -> list[Outcome]:
    """The outcomes of rows: objects with impression, task, value, happened and, if allowed, ``received``.

    A time is in ISO-8601 with a zone or in whole microseconds UTC, from 2000 on; ``received`` is the clock where a
    row has none. Raises OutcomeError for the first row that cannot be used; ``where`` begins the message.
    """
    clock = now()
    names = Outcome._fields if received else Outcome._fields[:-1]
    return [_checked(row, tasks, f"{where}, row {number}", names, clock) for number, row in enumerate(rows, start=1)]


def _checked(row: Any, tasks: Collection[str], where: str, names: tuple[str, ...], clock: int) -> Outcome:
    if not isinstance(row, Mapping):
        raise OutcomeError(f"{where}: expected an object with {', '.join(names)}; found {_short(row)}")
    if unknown := next((name for name in row if name not in names), None):
        raise OutcomeError(f"{where}: expected the columns {', '.join(names)}; found {_short(unknown)}")
    impression, task, value = (row.get(name) for name in ("impression", "task", "value"))
    if not isinstance(impression, str) or not 0 < len(impression) <= LONGEST_ID or not _is_text(impression):
        _refuse(where, "impression", f"the id of a served impression, 1 to {LONGEST_ID} characters", impression)
    if not isinstance(task, str) or task not in tasks:
        _refuse(where, "task", f"a task of the spec ({', '.join(tasks)})", task)
    if isinstance(value, bool) or not isinstance(value, int | float) or value not in (0, 1):
        _refuse(where, "value", "0 or 1", value)
    happened = _time(row.get("happened"), where, "happened")
    given = row.get("received")
    return Outcome(impression, task, int(value), happened, clock if given is None else _time(given, where, "received"))


def _time(given: Any, where: str, column: str) -> int:
    try:
        time = value_of("time", given)
    except (ValueError, OverflowError, TypeError):
        time = None
    if time is None or time < 0:
        _refuse(where, column, expected("time"), given)
    if time < EARLIEST:
        _refuse(where, column, "a time from 2000 on, a number in microseconds UTC", given)
    if time > latest():
        raise OutcomeError(f"{where}, column {column}: expected {bound()}; found {readable(time)}")
    return int(time)


def _is_text(value: str) -> bool:
    """Whether a value can be written as UTF-8: JSON may have halves of a character."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in value


def _refuse(where: str, column: str, wanted: str, found: Any) -> NoReturn:
    raise OutcomeError(f"{where}, column {column}: expected {wanted}; found {_short(found)}")


def _short(value: Any) -> str:
    if isinstance(value, date):  # a time, too; one of a Parquet file may name no zone
        return value.isoformat()
    return f"{value!r:.60}" if isinstance(value, str | int | float | None) else type(value).__name__
