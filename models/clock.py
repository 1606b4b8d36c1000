"""The clock, and how far ahead of it a time may lie. Every time that enters the product is compared with ``latest``.

One row of the future would be the newest of its key for years: nothing that comes after it would be seen.
"""

import os
import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache

TOLERANCE = timedelta(minutes=10)
"""How far ahead of this machine's clock another machine's may be."""
VARIABLE = "HELIOGRAPH_CLOCK_TOLERANCE"
"""Its name in the environment: another tolerance, such as ``400d`` for the replay of a simulated future."""


class ClockError(ValueError):
    """Raised when the tolerance cannot be read."""


_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = ((datetime(year, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1) for year in (1, 9999))


def latest() -> int:
    """The latest time that may enter now, microseconds UTC: the clock plus the tolerance. Raises ClockError."""
    return time.time_ns() // 1_000 + tolerance()


def tolerance() -> int:
    """The tolerance in microseconds: ``TOLERANCE``, or what the environment says. Raises ClockError."""
    return _tolerance(os.environ.get(VARIABLE))


def length_of(text: str) -> timedelta:
    """A length such as 90s, 30m, 6h or 1d. Raises ValueError."""
    if not text[:-1].isdecimal() or text[-1] not in _UNITS or len(text) > 6:
        raise ValueError(f"expected a length such as 90s, 30m, 6h or 1d; found {text!r}")
    return timedelta(**{_UNITS[text[-1]]: int(text[:-1])})


def said(moment: int) -> str:
    """Microseconds UTC as ISO-8601 to the second; as a number where dates do not go so far."""
    if not _FIRST <= moment <= _LAST:
        return f"{moment} microseconds UTC"
    return (_EPOCH + timedelta(microseconds=moment)).isoformat(timespec="seconds")


def bound() -> str:
    """What is expected of a time, in words."""
    length = timedelta(microseconds=tolerance())
    return f"a time up to {said(latest())} (this machine's clock plus {length}, see {VARIABLE})"


@lru_cache(maxsize=8)
def _tolerance(text: str | None) -> int:
    if not text:
        return TOLERANCE // timedelta(microseconds=1)
    try:
        return length_of(text) // timedelta(microseconds=1)
    except ValueError as error:
        raise ClockError(f"{VARIABLE}: {error}") from None
