"""A day's joined rows against the profile of a version: what ``DaySummary.profile`` holds."""

from collections.abc import Callable
from functools import reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from models.profile import FEWEST_ROWS
from monitoring.profiles.version import VersionProfile


def compared_with(version: str, profile: VersionProfile | None) -> Callable[[pa.Table], dict[str, Any]]:
    """A function of joined rows: ``version``, ``columns`` (``ColumnShift`` by name), and the profile's ``figures``.

    Without a profile that is nothing. The profile's columns are those of impressions, so served rows that are known to
    be impressions are compared (``impressions``).
    """

    def compare(rows: pa.Table) -> dict[str, Any]:
        if profile is None:
            return {}
        shown = impressions(rows)
        names = [name for name in profile.columns.columns if name in rows.column_names]
        shifts = profile.compare(profile.profile(shown, names)) if len(shown) and names else {}
        columns = {name: shift.to_json() for name, shift in shifts.items()}
        return {"version": version, "columns": columns, **profile.figures()}

    return compare


def impressions(rows: pa.Table) -> pa.Table:
    """The joined rows that were ranked by a model and are known to have been shown: those with a label.

    The join gives no label to a candidate of which the adapter's table shows that it was not shown. Where fewer than 50
    rows have one, nothing is known of what was shown, and all ranked rows are taken.
    """
    ranked = rows.filter(pc.invert(pc.fill_null(rows["fallback"], False))) if len(rows) else rows
    labels = [pc.is_valid(ranked[name]) for name in ranked.column_names if name.startswith("label_")]
    shown = ranked.filter(reduce(pc.or_, labels)) if labels else ranked.slice(0, 0)
    return shown if len(shown) >= FEWEST_ROWS else ranked
