"""Makes the summary of a day from its joined rows."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from models.columns import PROBABILITY, SERVED_COLUMNS
from models.features import drifting_features, impression_features, item_features, member_features
from models.spec import Spec
from models.time_units import DAY
from monitoring.days.columns import category_column, number_column
from monitoring.days.explored import explored
from monitoring.days.figures import canaries, figures
from monitoring.days.hours import HOURS, local_hours
from monitoring.days.joined import JoinedRows
from monitoring.days.rows import Names, Rows, is_number, shares
from monitoring.days.scores import label_figures, probability_figures
from monitoring.days.summary import DaySummary
from monitoring.statistics.snips import USUAL

_NO_FEATURES = frozenset((*SERVED_COLUMNS, "time", "latency"))
_PREFIXES = (PROBABILITY, "label_", "happened_")


def summarize(
    spec: Spec,
    joined: pa.Table | JoinedRows,
    day: str,
    counts: Mapping[str, int],
    profile: Mapping[str, Any] | None = None,
) -> DaySummary:
    """Summarize the joined rows of a product-local day (ISO-8601), whatever their order.

    ``joined``: one row per served candidate, columns as ``monitoring.outcomes`` writes them; one that is missing reads
    as a column without values. Rows served more than a day before or after that day are counted as ``clock`` and left
    out. ``counts``: of the join and the log (``OutcomeCounts``: torn, orphan, duplicate, late, skewed, ...; ``clock``:
    rows that a wrong clock put into other files). ``profile``: the day compared with the version's profile
    (``monitoring.profiles.compared_with``). Raises ValueError for a day that is no date.
    """
    everything = Rows(joined)
    first = date.fromisoformat(day)
    begin, end = spec.midnight(first), spec.midnight(first + timedelta(days=1))
    served = everything.times("served")
    # Files of joined rows are by day UTC, and a clock may be off by minutes: what is off by a day is impossible.
    inside = (served >= begin - DAY) & (served < end + DAY)
    rows = everything if inside.all() else Rows(joined.filter(pa.array(inside)))
    fallback, hour = rows.flags("fallback"), local_hours(rows.times("served"), begin, spec.zone)
    outside = int((~inside).sum())
    found = DaySummary(
        day=day,
        rows=len(rows),
        log={**{name: int(count) for name, count in counts.items()}, "clock": int(counts.get("clock", 0)) + outside},
        serving=_serving(rows),
        traffic=_traffic(rows, hour),
        columns=_columns(spec, rows, ~fallback),
        predictions={task: probability_figures(rows, task, ~fallback) for task in spec.tasks},
        labels={task: label_figures(rows, task, _attribution(spec, task), hour) for task in spec.tasks},
        figures=tuple(figure for task in spec.tasks for figure in figures(rows, task, ~fallback)),
        profile=dict(profile or {}),
        canaries=tuple(one for task in spec.tasks for one in canaries(rows, task, ~fallback)),
        explored=_explored(spec, rows, ~fallback),
    )
    # Last, since by then most columns have been read.
    columns = sorted(name for name in rows.table.column_names if rows.has_values(name))
    return replace(found, log={**found.log, "columns": columns})


def _explored(spec: Spec, rows: Rows, counted: np.ndarray) -> dict[str, Any]:
    """By task; nothing where most slates are in random order: propensities do not tell which rank is the usual one."""
    explore = spec.serving.explore
    if explore is not None and explore.share > USUAL:
        return {}
    return {task: found for task in spec.tasks if (found := explored(rows, task, counted))}


def _attribution(spec: Spec, task: str) -> int:
    return spec.tasks[task].attribution_time or DAY


def _serving(rows: Rows) -> dict[str, Any]:
    stale: dict[str, int] = {}
    for kinds, count in rows.names("stale").counts().items():
        for kind in filter(None, kinds.split(",")):
            stale[kind] = stale.get(kind, 0) + count
    latency = rows.numbers("latency")
    latency = np.sort(latency[np.isfinite(latency)])
    fallback = rows.flags("fallback")
    ranked = ~fallback  # without a feature read nothing is known: everything counts as cold
    cold = {name: rows.flags(name)[ranked] for name in ("member_cold", "item_cold")}
    return {
        "slates": rows.distinct("slate"),
        **{name: float(flag.mean()) if len(flag) else 0.0 for name, flag in {"fallback": fallback, **cold}.items()},
        "stale": shares(stale, len(rows)),
        "latency": {f"p{part}": float(latency[len(latency) * part // 100]) for part in (50, 99) if len(latency)},
    }


def _traffic(rows: Rows, hour: np.ndarray) -> dict[str, Any]:
    return {
        "surfaces": rows.names("surface").counts(),
        "versions": rows.names("model_version").counts(),
        "hours": np.bincount(hour, minlength=HOURS).tolist(),
        "member": _most(rows.names("member"), len(rows)),
        "item": _most(rows.names("item"), len(rows)),
    }


def _most(names: Names, rows: int) -> dict[str, Any]:
    counts = np.bincount(names.codes[names.codes >= 0], minlength=len(names.values))
    if not len(counts):
        return {"distinct": 0, "share": 0.0, "most": None}
    place = int(counts.argmax())
    return {"distinct": len(counts), "share": int(counts[place]) / rows, "most": names.values[place]}


def _columns(spec: Spec, rows: Rows, chosen: np.ndarray) -> dict[str, dict[str, Any]]:
    kinds = {
        feature.name: feature.kind
        for feature in (*member_features(spec), *item_features(spec), *impression_features(spec))
    }
    clocks = {feature.name for feature in impression_features(spec)} - {one.name for one in drifting_features(spec)}
    found = {}
    for name in rows.table.column_names:
        kind = rows.table.schema.field(name).type
        if (
            name in clocks
            or name in _NO_FEATURES
            or name.startswith(_PREFIXES)
            or pa.types.is_nested(kind)
            or not chosen.any()
        ):
            continue
        # An empty column has the type null: the spec says what it would hold.
        numeric = kinds.get(name) == "number" if pa.types.is_null(kind) else is_number(kind)
        if numeric and kinds.get(name) != "category":
            found[name] = number_column(rows.read_numbers(name)[chosen])
        else:
            found[name] = category_column(rows.read_names(name), chosen)
    return found
