"""Counts of events strictly before a time, by key: small, and enough for the columns of a study."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from models.time_units import HOUR, MICROSECOND, SECOND

_BITS = 44
"""Microseconds of half a year."""


class Counts:
    """Events by key and time."""

    def __init__(self, key: np.ndarray, time: np.ndarray, origin: int) -> None:
        """``key`` (n,) int64 from 0, ``time`` (n,) int64 microseconds, all within half a year after ``origin``."""
        self._origin = origin
        self._sorted = np.sort(self._place(key, time))

    def before(self, key: np.ndarray, time: np.ndarray) -> np.ndarray:
        """How many events each key has strictly before a time: (m,) int64."""
        first = np.searchsorted(self._sorted, key << _BITS)
        return np.searchsorted(self._sorted, self._place(key, time)) - first

    def _place(self, key: np.ndarray, time: np.ndarray) -> np.ndarray:
        since = time - self._origin
        if len(since) and not 0 <= since.min() <= since.max() < 1 << _BITS:
            raise ValueError("times: expected all within half a year after the origin; found others")
        return (key.astype(np.int64) << _BITS) + since


def rates(shown: np.ndarray, positive: np.ndarray, mean: float) -> list[np.ndarray]:
    """Two columns (n,): the logarithm of how many outcomes settled, and their rate, shrunk to the mean by 10."""
    return [np.log1p(shown), (positive + 10 * mean) / (shown + 10)]


def clock(time: np.ndarray, zone: ZoneInfo) -> list[np.ndarray]:
    """Two columns (n,): the hour on the circle, in the zone's time at the first row."""
    offset = datetime.fromtimestamp(int(time.min()) / SECOND, zone).utcoffset() or timedelta()
    angle = 2 * np.pi * ((time + offset / MICROSECOND) / HOUR % 24) / 24
    return [np.sin(angle), np.cos(angle)]
