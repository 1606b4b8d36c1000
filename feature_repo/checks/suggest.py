"""Suggestions from the rows: how long the windows should be, and how many neighbors an edge type has to sample.

Rules of thumb, stated in docs/check.md; they name a place to begin, and the validation days decide.
"""

import math
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any, NamedTuple

import pandas as pd

from feature_repo.checks.edges import edge_rows
from feature_repo.checks.report import Suggestion
from models.filters import mask
from models.spec import Spec
from models.spec.schema import WINDOW_ORDER

JUDGED_ROWS, RARER_ROWS = 2_000, 200
"""Rows, and rows of the rarer class of the primary task, that validate, gate and test should have each: the standard
error of an AUC is then about 0.02."""
_MOST = 6
"""Each of the three takes at most a sixth of the log."""
_GRAPH = 0.4
"""Share of the other days that is history only."""
_TRAIN_ROWS, _GRAPH_DAYS = 2_000_000, 35
"""Of a dense log train takes so many rows, and graph so many days, or twice as many as train."""
_COVERED = 0.75
"""Windows that hold a smaller share of the impressions leave out too much."""
MOST_NEIGHBORS = 10


class Log(NamedTuple):
    """What the windows depend on."""

    first: date
    last: date
    rows: int
    rarer: int
    """Rows of the rarer class of the primary task."""

    @property
    def days(self) -> int:
        """From the first day with an impression to the last."""
        return (self.last - self.first).days + 1


def log_of(spec: Spec, shown: pd.DataFrame) -> Log:
    """The log of all valid impressions; at least one."""
    times, task = shown[spec.impressions.time], spec.tasks[spec.primary_task]
    first, last = (times.agg(end).tz_convert(spec.zone).date() for end in ("min", "max"))
    labels = shown[task.label][mask(shown, task.filter)].dropna()
    positives = int((labels == 1).sum())
    return Log(first, last, len(shown), min(positives, len(labels) - positives))


def first_history(spec: Spec, tables: Mapping[str, pd.DataFrame]) -> pd.Timestamp | None:
    """The first engagement of a member in tables other than the impressions; None without any."""
    member, left_out = spec.impressions.member.node, (spec.impressions.table, *_absent(spec, tables))
    times = [
        rows[edge.time].min()
        for edge in spec.active_edges().values()
        if edge.kind == "engagement" and edge.source.node == member and edge.table not in left_out
        if len(rows := edge_rows(tables, edge))
    ]
    return min(times, default=None)


def window_days(log: Log, before: int = 0) -> dict[str, int] | None:
    """Days by window; None for a log of fewer than five days. ``before``: days of other engagements before the log."""
    if log.days < len(WINDOW_ORDER):
        return None
    judged = math.ceil(log.days * max(JUDGED_ROWS / log.rows, RARER_ROWS / max(log.rarer, 1)))
    judged = min(judged, max(log.days // _MOST, 1))
    left = log.days - 3 * judged
    graph = max(round(_GRAPH * left) - before, 1)
    train = left - graph
    enough = math.ceil(_TRAIN_ROWS * log.days / log.rows)
    if train > enough:
        train, graph = enough, min(graph, max(_GRAPH_DAYS, 2 * enough))
    return {"graph": graph, "train": train, "validate": judged, "gate": judged, "test": judged}


def suggested_windows(
    spec: Spec, shown: pd.DataFrame, history: pd.Timestamp | None, preview: Mapping[str, Any]
) -> Iterator[Suggestion]:
    """Other windows, where those of the spec have too few rows to judge with or leave out much of the log.

    ``shown``: the valid impressions of all days; ``history``: ``first_history``; ``preview``: {} where the spec's
    windows do not fit the data at all.
    """
    if not len(shown):
        return
    log, primary = log_of(spec, shown), spec.primary_task
    before = 0 if history is None else (shown[spec.impressions.time].min() - history).days
    days = window_days(log, max(before, 0))
    why = list(_reasons(log, preview, primary))
    told = f"The log has {log.days} days ({log.first} to {log.last}), {log.rows / log.days:,.0f} impressions a day"
    if days is None:
        yield Suggestion(f"{told}: five windows need at least five days. Bring a longer log.", "")
    elif why and days != {name: spec.windows.window(name).days for name in WINDOW_ORDER}:
        start = log.last - timedelta(days=sum(days.values()) - 1)
        dated = "  end: latest" if spec.windows.rolling else f"  start: {start}"
        lines = ["windows:", dated, *(f"  {name}: {{days: {length}}}" for name, length in days.items())]
        yield Suggestion(f"{told}; {why[0]}. These windows fit it better:", "\n".join(lines))


def suggested_fan_outs(spec: Spec, edges: Mapping[str, Any]) -> Iterator[Suggestion]:
    """First hops: the degrees' 75th percentile where the spec has less than half, at most their 90th, at most 10."""
    found: dict[str, dict[str, list[int]]] = {}
    for name, one in edges.items():
        edge = spec.edges[name]
        sides = (("fan_out", edge.fan_out, "of_source"), ("reverse_fan_out", edge.reverse_fan_out, "of_target"))
        for key, given, degree in sides:
            first, *others = given or edge.fan_out
            wanted = _first_hop(first, one[degree])
            if wanted != first:
                found.setdefault(name, {})[key] = [wanted, *(min(hop, wanted) for hop in others)]
    if found:
        changed = {name: ", ".join(f"{key}: {hops}" for key, hops in of.items()) for name, of in found.items()}
        yield Suggestion(
            "Fan-outs between the 75th and the 90th percentile of the neighbors, at most 10: smaller ones leave out "
            "what is known, larger ones cost time. Change in `edges`:",
            "\n".join(["edges:", *(f"  {name}: {{{keys}}}" for name, keys in changed.items())]),
        )


def _first_hop(given: int, degree: Mapping[str, float]) -> int:
    """The fan-out for these degrees: the given one where it is 0, near enough, or there is no neighbor."""
    if not given or not degree["p75"]:
        return given
    wanted, most = (min(max(math.ceil(degree[name]), 1), MOST_NEIGHBORS) for name in ("p75", "p90"))
    return wanted if given < wanted / 2 else min(given, most)


def _reasons(log: Log, preview: Mapping[str, Any], primary: str) -> Iterator[str]:
    if not preview:
        yield "the spec's windows do not fit it"
        return
    windows = preview["windows"]
    for name in ("validate", "gate", "test"):
        of_task = windows[name]["tasks"][primary]
        rarer = min(of_task["positives"], of_task["rows"] - of_task["positives"])
        if of_task["rows"] < JUDGED_ROWS or rarer < RARER_ROWS:
            yield f"window {name} has {of_task['rows']:,} rows, {rarer:,} of the rarer class of {primary}"
    held = sum(window["rows"] for window in windows.values())
    if held < _COVERED * log.rows:
        yield f"the spec's windows hold {held / log.rows:.0%} of the impressions"


def _absent(spec: Spec, tables: Mapping[str, pd.DataFrame]) -> list[str]:
    return [edge.table for edge in spec.edges.values() if edge.table not in tables]
