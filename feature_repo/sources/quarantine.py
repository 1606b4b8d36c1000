"""Quarantine: rows with impossible times are left out of the tables and kept in a file, each with its reason.

A duration of 60 years would settle an outcome in the year 2085, and move the end of the data there. A row is
quarantined as a whole if one of its times is ahead of the clock, or so early that its unit must be wrong.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from feature_repo.sources.errors import SourceError
from feature_repo.sources.schemas import EARLIEST, LATEST
from models.clock import VARIABLE, bound, latest, readable

REASON = "reason"
"""Column of a quarantine file with the reason why the row was quarantined."""
_ATTRIBUTE = "aside"
_EARLIEST, _LATEST = EARLIEST.value // 1000, LATEST.value // 1000
_NO_TIME = np.iinfo(np.int64).min
_FAR = 253_370_764_800_000_000  # microseconds to the year 9999; later times would overflow


@dataclass(frozen=True, eq=False)
class _Quarantined:
    """Value in a frame's ``attrs``, which pandas compares by equality: a frame there would raise."""

    rows: pd.DataFrame


def quarantine(table: str, frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Return the rows whose times in ``columns`` are possible; ``quarantined_rows`` of the result gives the others.

    Nulls and columns that are not times are left for the schema to check, and so is a table in which all times are out
    of bounds. Raises SourceError for a table that is entirely ahead of the clock.
    """
    times = {
        column: frame[column].dt.tz_convert("UTC").dt.tz_localize(None).to_numpy().astype("datetime64[us]")
        for column in columns
        if column in frame and isinstance(frame[column].dtype, pd.DatetimeTZDtype)
    }
    return quarantine_by(table, frame, {column: values.view(np.int64) for column, values in times.items()})


def quarantine_by(table: str, frame: pd.DataFrame, times: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """``quarantine`` by times outside the frame: by name, (rows,) int64 microseconds UTC, the smallest int64 = none."""
    end = latest()
    reasons = impossible(len(frame), times, end)
    bad = reasons != ""
    if not bad.any():
        return frame
    if bad.all():
        _check_entirely_ahead(table, times, end)
        return frame
    kept = frame[~bad]
    found, earlier = frame[bad].assign(**{REASON: reasons[bad]}), quarantined_rows(frame)
    found.attrs = {}
    both = found if earlier is None else pd.concat([earlier, found], ignore_index=True)
    kept.attrs = {**frame.attrs, _ATTRIBUTE: _Quarantined(both)}
    return kept


def impossible(rows: int, times: Mapping[str, np.ndarray], end: int) -> np.ndarray:
    """Why each row's times are impossible: (rows,) object, empty text if they are possible.

    ``times`` as in ``quarantine_by``; ``end``: the latest possible time.
    """
    reasons = np.full(rows, "", object)
    for name, values in times.items():
        given = values != _NO_TIME
        for bad, words in ((values > end, "ahead of the clock"), (values < _EARLIEST, f"before {EARLIEST.date()}")):
            for place in np.flatnonzero(bad & given & (reasons == "")):
                reasons[place] = f"{name} {readable(int(values[place]))} is {words}"
    return reasons


def quarantined_rows(frame: pd.DataFrame) -> pd.DataFrame | None:
    """The quarantined rows with their reasons; None if there are none."""
    found = frame.attrs.get(_ATTRIBUTE)
    return found.rows if isinstance(found, _Quarantined) else None


def copy_quarantine(source: pd.DataFrame, table: pd.DataFrame) -> None:
    """Copy the quarantined rows of a frame to the table that was derived from it."""
    if _ATTRIBUTE in source.attrs:
        table.attrs[_ATTRIBUTE] = source.attrs[_ATTRIBUTE]


def microseconds_of(milliseconds: np.ndarray) -> np.ndarray:
    """Convert (rows,) milliseconds to (rows,) int64 microseconds, clipped to the year 9999 and as far before 1970."""
    return np.clip(np.asarray(milliseconds), -_FAR // 1000, _FAR // 1000).astype(np.int64) * 1000


def _check_entirely_ahead(table: str, times: Mapping[str, np.ndarray], end: int) -> None:
    """Raise SourceError if all rows are ahead of the clock, but within the bounds of the schema."""
    for column, values in times.items():
        ahead = values[values > end]
        if len(ahead) and ahead.max() < _LATEST:
            raise SourceError(
                f"table {table}, column {column}: expected {bound()}; found all {len(values)} rows with impossible "
                f"times, such as {readable(int(ahead[0]))}. Check the unit and the zone of the times, and this "
                f"machine's clock; to replay a simulated future set {VARIABLE}, such as 400d"
            )
