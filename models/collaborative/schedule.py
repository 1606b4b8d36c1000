"""Schedule of snapshots: the cut that is visible at a time."""

from zoneinfo import ZoneInfo

import numpy as np

from models.midnights import midnights


def visible_cuts(zone: ZoneInfo, delay: int, times: np.ndarray) -> np.ndarray:
    """The newest cut that is visible at each time, cut + ``delay`` < time: (n,) int64 from (n,) int64 microseconds."""
    if not len(times):
        return np.zeros(0, np.int64)
    cuts = np.array(midnights(int(times.min()) - delay - 1, int(times.max()), zone.key), np.int64)
    return cuts[np.searchsorted(cuts + delay, times, side="left") - 1]
