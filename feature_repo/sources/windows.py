"""Windows that end at the newest settled day: finds that day in the data, and checks that the windows fit."""

import logging
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, cast

import numpy as np
import pandas as pd

from feature_repo.sources.errors import SourceError
from feature_repo.sources.schemas import EARLIEST, LATEST
from feature_repo.sources.size import DECIDED, from_json
from models import clock
from models.spec import Spec
from models.spec.decisions import decided
from models.spec.windows import WINDOW_ORDER, Windows
from models.time_units import SECOND, duration, iso

log = logging.getLogger(__name__)

WINDOWS = "windows"
"""Attribute of the impressions' frame with the windows that the adapter has resolved; entry of a manifest of tables
with their dates (``described``)."""
_SHORT_PAUSE = 600 * SECOND
"""A day whose last impression is at most this long before midnight is whole."""
_USUAL = 3
"""So is one that is at most this many times as long before midnight as usual: as on nine of ten days before it,
and, where there are fewer, on all but one."""
_ONE_IN, _FEW = 10, 3
_LISTED = 5


def resolved(spec: Spec, shown: np.ndarray) -> Spec:
    """The spec with the dates of its windows: ``windows.start`` is given, ``windows.end`` is not.

    ``shown``: (rows,) int64, the times of all impressions with a possible time, microseconds UTC, in any order. With
    ``end: latest`` the windows end with the newest settled day: the newest day with impressions that is over and whole,
    and whose outcomes are complete.

    - Over: the clock is past its midnight.
    - Whole: there are later impressions, or its last one is at most ten minutes before midnight, or at most three times
      as long before midnight as on nine of ten earlier days of the windows. A day in which the data ends is left out.
    - Complete: the data reaches ``tasks.*.attribution`` past its midnight.

    Raises SourceError where a time is impossible, where there is no such day, where the data begins after the windows
    do, or where a window holds no impression. Days without impressions inside of the windows are allowed, and logged.
    """
    windows = spec.windows
    if not windows.rolling:
        return spec.starting(windows.first_day)
    days = _days(spec, shown)
    last = _newest_settled(spec, shown, days)
    found = spec.starting(last - timedelta(days=windows.days - 1))
    _check_length(found, days)
    _check_windows(found, days)
    return found


def spec_of_frame(spec: Spec, frame: pd.DataFrame) -> Spec:
    """``resolved`` for the impressions' frame; an adapter may have resolved the windows (``attrs[WINDOWS]``)."""
    given: Windows | None = frame.attrs.get(WINDOWS)
    if given is not None:
        return spec.starting(given.first_day)
    return resolved(spec, frame[spec.impressions.time].astype("datetime64[us, UTC]").astype("int64").to_numpy())


def described(spec: Spec) -> dict[str, Any]:
    """The dates of a resolved spec's windows: first and last day, and ``[start, end)`` of each window as ISO-8601."""
    first = spec.windows.first_day
    return {
        "start": first.isoformat(),
        "end": (first + timedelta(days=spec.windows.days - 1)).isoformat(),
        "windows": {name: [iso(time) for time in spec.span(name)] for name in WINDOW_ORDER},
    }


def spec_of(spec: Spec, manifest: Mapping[str, Any]) -> Spec:
    """The spec with the dates in the manifest of its tables, and with what the tables' size has decided (``DECIDED``).

    The dates are the spec's own for tables of an older release, without dates. Raises UnresolvedWindowsError if neither
    has dates.
    """
    dates = manifest.get(WINDOWS)
    spec = decided(spec, from_json(manifest.get(DECIDED, {})))
    return spec.starting(spec.windows.first_day if dates is None else date.fromisoformat(dates["start"]))


def _days(spec: Spec, shown: np.ndarray) -> dict[date, int]:
    """The days with impressions in the spec's time zone, oldest first, and the time of each day's last impression."""
    if not len(shown):
        raise SourceError(f"table {spec.impressions.table}: expected impressions for windows.end: latest; found none")
    times = pd.Series(np.sort(shown))
    for time in (int(times.iloc[0]), int(times.iloc[-1])):
        if not EARLIEST.value <= time * 1000 <= LATEST.value:
            raise SourceError(
                f"table {spec.impressions.table}, column {spec.impressions.time}: expected times from "
                f"{EARLIEST.date()} to {LATEST.date()}; found {clock.readable(time)}. Check the unit of the times"
            )
    local = pd.to_datetime(times, unit="us", utc=True).dt.tz_convert(spec.zone).dt.date
    last = cast(dict[date, int], times.groupby(local).max().to_dict())
    return last


def _newest_settled(spec: Spec, shown: np.ndarray, days: dict[date, int]) -> date:
    *_, newest = days
    over = max(clock.now(), clock.latest() - duration(clock.TOLERANCE))  # a replay may have a clock of its own
    end = min(_end_of_data(spec, days), over)
    for day in reversed(days):
        if _midnight_after(spec, day) + spec.attribution <= end:
            return day
    wait = f" plus {spec.attribution // SECOND:,} s (tasks.*.attribution)" if spec.attribution else ""
    raise SourceError(
        f"windows.end: latest: expected a day with impressions that the data holds as a whole{wait}; found impressions "
        f"from {iso(int(shown.min()))} to {iso(days[newest])}. Wait for the next day's data, or give windows.end a date"
    )


def _end_of_data(spec: Spec, days: dict[date, int]) -> int:
    """The time up to which the data is there: midnight after its newest day if that is whole, else its last row."""
    *before, newest = days
    midnight, last = _midnight_after(spec, newest), days[newest]
    earlier = [day for day in before if day > newest - timedelta(days=spec.windows.days)]
    pauses = [_midnight_after(spec, day) - days[day] for day in earlier]
    unusual = max(1, len(pauses) // _ONE_IN) if len(pauses) >= _FEW else 0
    usual = sorted(pauses)[-1 - unusual] if pauses else 0
    if midnight - last <= max(_SHORT_PAUSE, _USUAL * usual):
        return midnight
    log.warning("the data ends within %s (%s): the day is left out", newest, iso(last))
    return last


def _midnight_after(spec: Spec, day: date) -> int:
    return spec.midnight(day + timedelta(days=1))


def _check_length(spec: Spec, days: dict[date, int]) -> None:
    first, start, dates = next(iter(days)), spec.windows.first_day, described(spec)
    if first > start:
        raise SourceError(
            f"windows.end: latest: expected impressions from {start} on ({spec.windows.days} days up to "
            f"{dates['end']}); found the first on {first}. Wait until there are enough days, or make the "
            "windows shorter"
        )


def _check_windows(spec: Spec, days: dict[date, int]) -> None:
    """Raise SourceError for a window without impressions; log days without any."""
    day, empty = spec.windows.first_day, []
    for name in WINDOW_ORDER:
        inside = [day + timedelta(days=number) for number in range(spec.windows.window(name).days)]
        gaps = [one for one in inside if one not in days]
        if len(gaps) == len(inside):
            raise SourceError(
                f"windows.end: latest: expected impressions in every window; found none in {name} ({inside[0]} to "
                f"{inside[-1]}). Bring the missing days, make the window longer, or give windows.end a date"
            )
        empty += gaps
        day = inside[-1] + timedelta(days=1)
    if empty:
        more = f" and {len(empty) - _LISTED} more" if len(empty) > _LISTED else ""
        listed = ", ".join(map(str, empty[:_LISTED]))
        log.warning("days of the windows without impressions: %s%s", listed, more)
