"""Units of time: inside, a time and a duration are int64 microseconds (UTC); outside, ISO-8601."""

import re
from datetime import UTC, datetime, timedelta

MICROSECOND = timedelta(microseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = 1_000_000
"""Microseconds in a second."""
HOUR = 3_600 * SECOND
DAY = 24 * HOUR
_UNITS = {"s": SECOND, "m": 60 * SECOND, "h": HOUR, "d": DAY}
_LENGTH = re.compile(r"(0|[1-9][0-9]{0,9})([smhd])", re.ASCII)


def microseconds(moment: datetime) -> int:
    """An aware datetime as microseconds UTC, exactly."""
    return (moment - EPOCH) // MICROSECOND


def duration(length: timedelta) -> int:
    """A duration in microseconds, exactly."""
    return length // MICROSECOND


def moment(time: int) -> datetime:
    """Microseconds UTC as an aware datetime, exactly. Raises OverflowError beyond the years 1 to 9999."""
    return EPOCH + time * MICROSECOND


def iso(time: int) -> str:
    """Microseconds UTC as ISO-8601. Raises OverflowError beyond the years 1 to 9999."""
    return moment(time).isoformat()


def length(text: str, most_days: int, zero: bool = False) -> int:
    """Microseconds of a length such as 60s, 10m, 6h or 3d; ``zero``: 0s is one too. Raises ValueError."""
    match = _LENGTH.fullmatch(text)
    found = int(match.group(1)) * _UNITS[match.group(2)] if match else None
    if found is None or found > most_days * DAY or not (found or zero):
        raise ValueError(f"expected a length such as 60s, 10m, 6h or 3d, at most {most_days}d; found {text!r:.40}")
    return found
