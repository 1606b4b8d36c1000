"""What a task's probabilities and labels look like on one day, by surface."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from monitoring.days.figures import ALL, MOST_CELLS
from monitoring.days.hours import HOURS
from monitoring.days.rows import Rows

DELAYS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.7)
"""Bounds of the bins of an outcome's delay, in lengths of the task's attribution."""
_LOG_ODDS = np.linspace(-6, 6, 19)
"""Bounds of the bins of a probability's log odds."""
_SMALLEST = 1e-7


def probability_figures(rows: Rows, task: str, counted: np.ndarray) -> dict[str, dict[str, Any]]:
    """``DaySummary.predictions`` of a task over the rows that ``counted`` (rows,) bool names."""
    given = rows.numbers(f"probability_{task}")
    return {surface: _probabilities(given[chosen & counted]) for surface, chosen in _surfaces(rows)}


def label_figures(rows: Rows, task: str, attribution: int, hour: np.ndarray) -> dict[str, dict[str, Any]]:
    """``DaySummary.labels`` of a task; ``attribution`` in microseconds, ``hour`` (rows,) the local hour of serving."""
    label, served = rows.numbers(f"label_{task}"), rows.times("served")
    happened = rows.times(f"happened_{task}")
    delay = (happened - served) / attribution
    found = {}
    for surface, chosen in _surfaces(rows):
        settled, positive = chosen & ~np.isnan(label), chosen & (label > 0)
        bins = np.searchsorted(DELAYS, delay[positive & (happened != 0)], "right")
        found[surface] = {
            "rows": int(chosen.sum()),
            "settled": int(settled.sum()),
            "positives": int(positive.sum()),
            "delay": np.bincount(bins, minlength=len(DELAYS) + 1).tolist(),
        }
        if surface == ALL:
            hours = [np.bincount(hour[which], minlength=HOURS).tolist() for which in (settled, positive)]
            found[surface]["hours"] = hours
    return found


def _surfaces(rows: Rows) -> Iterator[tuple[str, np.ndarray]]:
    """All rows, and those of the largest surfaces."""
    yield ALL, np.ones(len(rows), dtype=bool)
    names = rows.names("surface")
    counts = np.bincount(names.codes[names.codes >= 0], minlength=len(names.values))
    for place in np.argsort(-counts, kind="stable")[:MOST_CELLS]:
        if names.values[place] != ALL:
            yield names.values[place], names.codes == place


def _probabilities(given: np.ndarray) -> dict[str, Any]:
    valid = np.sort(given[(given >= 0) & (given <= 1)])
    found: dict[str, Any] = {"rows": len(given), "invalid": len(given) - len(valid)}
    if not len(valid):
        return {**found, "mean": None, "log_odds": None, "spread": None, "most": 0.0, "histogram": []}
    inside = np.clip(valid, _SMALLEST, 1 - _SMALLEST)
    odds = np.log(inside) - np.log1p(-inside)
    starts = np.flatnonzero(np.r_[True, valid[1:] != valid[:-1]])
    return {
        **found,
        "mean": float(valid.mean()),
        "log_odds": float(odds.mean()),
        "spread": float(odds.std()),
        "most": int(np.diff(np.r_[starts, len(valid)]).max()) / len(valid),
        "histogram": np.bincount(np.searchsorted(_LOG_ODDS, odds), minlength=len(_LOG_ODDS) + 1).tolist(),
    }
