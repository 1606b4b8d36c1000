"""Schedule of snapshots: the cut that is visible at a time, by local midnights."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from models.time_units import microseconds, moment


def midnights(zone: ZoneInfo, first: int, last: int) -> np.ndarray:
    """The local midnights from two days before ``first`` up to ``last`` (microseconds UTC): (n,) int64, ascending."""
    day = moment(first).astimezone(zone).date() - timedelta(days=2)
    end = moment(last).astimezone(zone).date()
    days = [day + timedelta(days=number) for number in range((end - day).days + 1)]
    return np.array([microseconds(datetime.combine(one, time.min, tzinfo=zone)) for one in days], np.int64)


def visible_cuts(zone: ZoneInfo, delay: int, times: np.ndarray) -> np.ndarray:
    """The newest cut that is visible at each time, cut + ``delay`` < time: (n,) int64 from (n,) int64 microseconds."""
    if not len(times):
        return np.zeros(0, np.int64)
    cuts = midnights(zone, int(times.min()), int(times.max()))
    return cuts[np.searchsorted(cuts + delay, times, side="left") - 1]
