"""From times to features: the one implementation that training and serving share."""

from collections.abc import Mapping
from datetime import tzinfo

import numpy as np

from models.spec import Spec
from models.time_units import HOUR, SECOND, moment

UNKNOWN = np.iinfo(np.int64).min
"""A time that is not known."""
_MINUTE = 60 * SECOND


def derive_time_features(spec: Spec, times: np.ndarray, since: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Derive every time feature of the spec: float32 ages, NaN where missing, and texts of the clock.

    ``times``: of the impressions or requests, (rows,) int64 microseconds UTC. ``since``: the features of type ``time``
    that ages are since, by name, as they were known strictly before those times: (rows,), or any number of rows if
    there is one time; UNKNOWN = missing. Each feature has as many rows as what it is derived from. Raises KeyError if
    ``since`` lacks one.
    """
    found = {}
    for name, feature in spec.time_features.items():
        if feature.since is not None:
            found[name] = _age(times, since[feature.since])
        else:
            found[name] = _clock(times, spec.zone, weekday=feature.clock == "weekday")
    return found


def _age(times: np.ndarray, since: np.ndarray) -> np.ndarray:
    """log(1 + hours) float32; NaN where ``since`` is unknown, or later than the time."""
    known = (since != UNKNOWN) & (since <= times)
    passed = np.where(known, times - np.where(known, since, 0), 0)
    return np.where(known, np.log1p(passed / HOUR), np.nan).astype(np.float32)


def _clock(times: np.ndarray, zone: tzinfo, weekday: bool) -> np.ndarray:
    """(rows,) object: the local hour, "0" to "23", or weekday, "0" (Monday) to "6". Zones change at whole minutes."""
    minutes, places = np.unique(times // _MINUTE, return_inverse=True)
    local = [moment(int(minute) * _MINUTE).astimezone(zone) for minute in minutes]
    return np.array([str(one.weekday() if weekday else one.hour) for one in local], object)[places]
