"""The clock, and how far in the future a time may be: every incoming time is compared with ``latest``.

A row dated years ahead would stay the newest of its key for years and hide every later row.
"""

import os
import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from models.time_units import MICROSECOND, duration, microseconds
from models.time_units import moment as datetime_of

TOLERANCE = timedelta(minutes=10)
"""How far another machine's clock may be ahead of this one's."""
VARIABLE = "HELIOGRAPH_CLOCK_TOLERANCE"
"""The environment variable that sets another tolerance, such as ``400d`` to replay a simulated future."""


class ClockError(ValueError):
    """Raised when the tolerance cannot be read."""


_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_FIRST, _LAST = (microseconds(datetime(year, 1, 1, tzinfo=UTC)) for year in (1, 9999))


def now() -> int:
    """This machine's clock, microseconds UTC."""
    return time.time_ns() // 1_000


def latest() -> int:
    """The latest time that is accepted now, microseconds UTC: the clock plus the tolerance. Raises ClockError."""
    return now() + tolerance()


def tolerance() -> int:
    """The tolerance in microseconds: ``TOLERANCE``, or the environment's. Raises ClockError if that cannot be read."""
    return _tolerance(os.environ.get(VARIABLE))


def length_of(text: str) -> timedelta:
    """Parse a duration such as 90s, 30m, 6h or 1d. Raises ValueError."""
    if not text[:-1].isdecimal() or text[-1] not in _UNITS or len(text) > 6:
        raise ValueError(f"expected a length such as 90s, 30m, 6h or 1d; found {text!r}")
    return timedelta(**{_UNITS[text[-1]]: int(text[:-1])})


def readable(moment: int) -> str:
    """Microseconds UTC as ISO-8601 to the second, or as a number outside the years 1 to 9998."""
    if not _FIRST <= moment <= _LAST:
        return f"{moment} microseconds UTC"
    return datetime_of(moment).isoformat(timespec="seconds")


def bound() -> str:
    """The accepted range of times in words, for error messages."""
    length = tolerance() * MICROSECOND
    return f"a time up to {readable(latest())} (this machine's clock plus {length}, see {VARIABLE})"


@lru_cache(maxsize=8)
def _tolerance(text: str | None) -> int:
    if not text:
        return duration(TOLERANCE)
    try:
        return duration(length_of(text))
    except ValueError as error:
        raise ClockError(f"{VARIABLE}: {error}") from None
