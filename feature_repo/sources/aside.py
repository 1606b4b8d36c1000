"""Rows whose times cannot be: they are left out of the tables and kept beside them, each with its reason.

A duration of 60 years makes an outcome of the year 2085, and with it everything that is stamped with the end of the
data. So a row is put aside as a whole where one of its times lies ahead of the clock, or so far back that its unit must
be wrong.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from feature_repo.errors import SourceError
from feature_repo.sources.schemas import EARLIEST, LATEST
from models.clock import VARIABLE, bound, latest, readable

REASON = "reason"
"""The column of a file of rows that were put aside which says why."""
_ASIDE = "aside"
_EARLIEST, _LATEST = EARLIEST.value // 1000, LATEST.value // 1000
_NONE = np.iinfo(np.int64).min
_FAR = 253_370_764_800_000_000  # the year 9999: what lies beyond it is as impossible, and would overflow


@dataclass(frozen=True, eq=False)
class _Aside:
    """What stands in a frame's ``attrs``, which pandas compares: frames themselves cannot be."""

    rows: pd.DataFrame


def put_aside(table: str, frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """The rows whose times in ``columns`` can be; ``aside_of`` the answer gives the others.

    What is no column of times, or a null, is left for the schema to judge, and so is a table whose times are all out of
    its bounds. Raises SourceError for a table that lies wholly ahead of the clock.
    """
    times = {
        column: frame[column].dt.tz_convert("UTC").dt.tz_localize(None).to_numpy().astype("datetime64[us]")
        for column in columns
        if column in frame and isinstance(frame[column].dtype, pd.DatetimeTZDtype)
    }
    return put_aside_by(table, frame, {column: found.view(np.int64) for column, found in times.items()})


def put_aside_by(table: str, frame: pd.DataFrame, times: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """The same by times that are not in the frame: by name (rows,) int64 microseconds UTC, the least int64 = none."""
    end = latest()
    reasons = impossible(len(frame), times, end)
    bad = reasons != ""
    if not bad.any():
        return frame
    if bad.all():
        _check_wholly_ahead(table, times, end)
        return frame
    kept = frame[~bad]
    found, earlier = frame[bad].assign(**{REASON: reasons[bad]}), aside_of(frame)
    found.attrs = {}
    whole = found if earlier is None else pd.concat([earlier, found], ignore_index=True)
    kept.attrs = {**frame.attrs, _ASIDE: _Aside(whole)}
    return kept


def impossible(rows: int, times: Mapping[str, np.ndarray], end: int) -> np.ndarray:
    """Why each row's times cannot be, (rows,) text, empty where they can; ``end``: the latest that can."""
    reasons = np.full(rows, "", object)
    for name, moments in times.items():
        there = moments != _NONE
        for bad, words in ((moments > end, "ahead of the clock"), (moments < _EARLIEST, f"before {EARLIEST.date()}")):
            for place in np.flatnonzero(bad & there & (reasons == "")):
                reasons[place] = f"{name} {readable(int(moments[place]))} is {words}"
    return reasons


def aside_of(frame: pd.DataFrame) -> pd.DataFrame | None:
    """The rows that were put aside, with their reasons; None where there were none."""
    found = frame.attrs.get(_ASIDE)
    return found.rows if isinstance(found, _Aside) else None


def hand_over(source: pd.DataFrame, table: pd.DataFrame) -> None:
    """Let a table keep what was put aside of the frame that it was made of."""
    if _ASIDE in source.attrs:
        table.attrs[_ASIDE] = source.attrs[_ASIDE]


def microseconds_of(milliseconds: np.ndarray) -> np.ndarray:
    """Microseconds of (rows,) int64 milliseconds; what would overflow stays at the year 9999, or as far before 1970."""
    return np.clip(np.asarray(milliseconds), -_FAR // 1000, _FAR // 1000).astype(np.int64) * 1000


def _check_wholly_ahead(table: str, times: Mapping[str, np.ndarray], end: int) -> None:
    """Raise SourceError where the rows are all ahead of the clock, and yet of this time and the next."""
    for column, moments in times.items():
        ahead = moments[moments > end]
        if len(ahead) and ahead.max() < _LATEST:
            raise SourceError(
                f"table {table}, column {column}: expected {bound()}; found all {len(moments)} rows with times that "
                f"cannot be, such as {readable(int(ahead[0]))}. Check the unit and the zone of the times, and this "
                f"machine's clock; to replay a simulated future set {VARIABLE}, such as 400d"
            )
