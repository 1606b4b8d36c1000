"""Local hours of a day, also of one on which the clocks are changed."""

from datetime import date, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from models.spec import Spec
from models.time_units import DAY, HOUR, moment

HOURS = 24
_STEP = HOUR // 4
"""Offsets of zones are multiples of a quarter of an hour."""
_AROUND = 2 * DAY


def local_hours(times: np.ndarray, begin: int, zone: ZoneInfo) -> np.ndarray:
    """The local hour, (rows,) int64 0 to 23, of times (rows,) int64 microseconds UTC within two days of ``begin``.

    ``begin``: local midnight, microseconds UTC. A time further away counts as the nearest one within.
    """
    first, steps = begin - _AROUND, 2 * _AROUND // _STEP
    hours = np.array([moment(first + step * _STEP).astimezone(zone).hour for step in range(steps)], dtype=np.int64)
    return hours[np.clip((times - first) // _STEP, 0, steps - 1)]


def odd_hours(spec: Spec, day: str) -> tuple[int, ...]:
    """The local hours that a day (ISO-8601) has twice, in part or not at all; none unless its clocks are changed."""
    first = date.fromisoformat(day)
    begin, end = spec.midnight(first), spec.midnight(first + timedelta(days=1))
    if end - begin == DAY:
        return ()
    hours = local_hours(np.arange(begin, end, _STEP), begin, spec.zone)
    return tuple(np.flatnonzero(np.bincount(hours, minlength=HOURS) != HOUR // _STEP).tolist())
