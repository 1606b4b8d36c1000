"""Local midnights between two moments."""

from datetime import date, datetime, time
from functools import lru_cache
from zoneinfo import ZoneInfo

from models.time_units import microseconds, moment


def midnights(first: int, last: int, zone: str) -> list[int]:
    """The local midnights from the last one at or before ``first`` to the last one at or before ``last``.

    Microseconds UTC, ascending; ``zone`` is a name of the time zone database.
    """
    start, end = (moment(at).astimezone(ZoneInfo(zone)).date().toordinal() for at in (first, last))
    return [_midnight(day, zone) for day in range(start, end + 1)]


@lru_cache(maxsize=4_096)
def _midnight(ordinal: int, zone: str) -> int:
    return microseconds(datetime.combine(date.fromordinal(ordinal), time(), ZoneInfo(zone)))
