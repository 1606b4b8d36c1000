"""The clock, and how far in the future a time may be: every incoming time is compared with ``latest``.

A row dated years ahead would stay the newest of its key for years and hide every later row.
"""

import os
import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path

from models.time_units import MICROSECOND, duration, length, microseconds
from models.time_units import moment as datetime_of

TOLERANCE = timedelta(minutes=10)
"""How far another machine's clock may be ahead of this one's."""
SIMULATED = "HELIOGRAPH_CLOCK"
"""The environment variable that names a file with a time (ISO-8601): there this clock stands, in a simulation."""
VARIABLE = "HELIOGRAPH_CLOCK_TOLERANCE"
"""The environment variable that sets another tolerance, such as ``400d`` to replay a simulated future."""


class ClockError(ValueError):
    """Raised when the tolerance, or the time of a simulation, cannot be read."""


LONGEST_DAYS = 99_999
"""A tolerance beyond every date that occurs, for data with impossible times."""
_FIRST, _LAST = (microseconds(datetime(year, 1, 1, tzinfo=UTC)) for year in (1, 9999))


def now() -> int:
    """This machine's clock, or a simulation's, microseconds UTC. Raises ClockError."""
    file = os.environ.get(SIMULATED)
    return _simulated(Path(file)) if file else time.time_ns() // 1_000


def latest() -> int:
    """The latest time that is accepted now, microseconds UTC: the clock plus the tolerance. Raises ClockError."""
    return now() + tolerance()


def tolerance() -> int:
    """The tolerance in microseconds: ``TOLERANCE``, or the environment's. Raises ClockError if that cannot be read."""
    return _tolerance(os.environ.get(VARIABLE))


def readable(moment: int) -> str:
    """Microseconds UTC as ISO-8601 to the second, or as a number outside the years 1 to 9998."""
    if not _FIRST <= moment <= _LAST:
        return f"{moment} microseconds UTC"
    return datetime_of(moment).isoformat(timespec="seconds")


def bound() -> str:
    """The accepted range of times in words, for error messages."""
    span = tolerance() * MICROSECOND
    return f"a time up to {readable(latest())} (this machine's clock plus {span}, see {VARIABLE})"


def _simulated(file: Path) -> int:
    try:
        return microseconds(datetime.fromisoformat(file.read_text(encoding="utf-8").strip()))
    except (OSError, TypeError, ValueError) as error:  # TypeError: a time without a zone
        raise ClockError(f"{SIMULATED}: expected a file with an ISO-8601 time with a zone; found {error}") from None


@lru_cache(maxsize=8)
def _tolerance(text: str | None) -> int:
    if not text:
        return duration(TOLERANCE)
    try:
        return length(text, LONGEST_DAYS, zero=True)
    except ValueError as error:
        raise ClockError(f"{VARIABLE}: {error}") from None
