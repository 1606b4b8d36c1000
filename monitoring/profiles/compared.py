"""A day's joined rows against the profile of a version: what ``DaySummary.profile`` holds."""

from collections.abc import Callable
from functools import cache
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.profile import FEWEST_ROWS, ColumnShift
from monitoring.days import JoinedRows
from monitoring.profiles.version import VersionProfile

Joined: TypeAlias = pa.Table | JoinedRows


def compared_with(profile: Callable[[str], VersionProfile | None]) -> Callable[[Joined], dict[str, Any]]:
    """A function of joined rows: ``version``, which served most of those that a model ranked, ``columns``
    (``ColumnShift`` by name), the ``digest`` of its profile and the profile's ``figures``.

    ``profile``: that of a version, None = it has none; then there is nothing. The profile's columns are those of
    impressions, so served rows that are known to be impressions are compared (``impressions``). Where a model ranked
    none, the version is that of most fallbacks, and no column is compared.
    """
    known = cache(profile)

    def compare(rows: Joined) -> dict[str, Any]:
        ranked = rows.filter(pc.invert(pc.fill_null(rows["fallback"], False))) if len(rows) else rows
        counting = ranked if len(ranked) else rows
        counted = pc.value_counts(counting["model_version"].drop_null()).to_pylist() if len(counting) else []
        most = max(counted, key=lambda one: (one["counts"], one["values"]), default={"values": ""})["values"]
        found = known(most) if most else None
        if found is None:
            return {}
        shown, shifts = impressions(ranked), dict[str, ColumnShift]()
        names = shown.column_names if len(shown) else []
        for name in (one for one in found.columns.columns if one in names):  # one at a time in memory
            shifts |= found.compare(found.profile(shown.select([name]), [name]))
        columns = {name: shift.to_json() for name, shift in shifts.items()}
        return {"version": most, "digest": found.digest, "columns": columns, **found.figures()}

    return compare


def impressions(ranked: Joined) -> Joined:
    """The joined rows that are known to have been shown, of those that a model ranked: the rows with a label.

    The join gives no label to a candidate of which the adapter's table shows that it was not shown. Where fewer than 50
    rows have one, nothing is known of what was shown, and all are taken.
    """
    shown = np.zeros(len(ranked), dtype=bool)
    for name in ranked.column_names:
        if name.startswith("label_"):
            shown |= np.asarray(pc.is_valid(ranked[name]))
    return ranked.filter(pa.array(shown)) if shown.sum() >= FEWEST_ROWS else ranked
