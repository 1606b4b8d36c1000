"""Units of time: inside, a time and a duration are int64 microseconds (UTC); outside, ISO-8601."""

from datetime import UTC, datetime, timedelta

MICROSECOND = timedelta(microseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = 1_000_000
"""Microseconds in a second."""
HOUR = 3_600 * SECOND
DAY = 24 * HOUR


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
