"""A feature's column on one day: shares of unusable values, and quantiles or the most frequent values."""

from typing import Any

import numpy as np

from monitoring.days.rows import Names

QUANTILES = (np.arange(33) + 0.5) / 33
"""The quantiles that a summary keeps of a number: enough for the Wasserstein distance of two days."""
MOST_VALUES = 200
"""The most frequent values that a summary keeps of a category."""


def number_column(values: np.ndarray) -> dict[str, Any]:
    """Summarize a number, ``values`` (rows,) float64, NaN = missing, whatever the order of the rows.

    Returns ``kind``, ``rows``, ``missing``, ``infinite``, ``quantiles`` of the finite values (33, or none), ``most``:
    the share of the rows with a value that have the most frequent one.
    """
    ordered = np.sort(values[np.isfinite(values)])
    missing = int(np.isnan(values).sum())
    infinite = len(values) - missing - len(ordered)
    found = {"kind": "number", "rows": len(values), "missing": missing, "infinite": infinite}
    if not len(ordered):
        return {**found, "quantiles": [], "most": 0.0}
    places = np.minimum((QUANTILES * len(ordered)).astype(np.int64), len(ordered) - 1)
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    most = int(np.diff(np.r_[starts, len(ordered)]).max())
    quantiles = [float(f"{value:.7g}") for value in ordered[places].tolist()]
    return {**found, "quantiles": quantiles, "most": most / len(ordered)}


def category_column(names: Names, chosen: np.ndarray) -> dict[str, Any]:
    """Summarize a category over the rows that ``chosen`` (rows,) bool names.

    Returns ``kind``, ``rows``, ``missing``, ``infinite`` (0), ``values``: rows of the 200 most frequent values,
    ``distinct``: the number of distinct values, ``most`` as for a number.
    """
    counts = {value: count for value, count in names.counts(chosen).items() if count}
    kept = sorted(counts, key=lambda value: (-counts[value], value))[:MOST_VALUES]
    rows, total = int(chosen.sum()), sum(counts.values())
    return {
        "kind": "category",
        "rows": rows,
        "missing": rows - total,
        "infinite": 0,
        "values": {value: counts[value] for value in kept},
        "distinct": len(counts),
        "most": counts[kept[0]] / total if kept else 0.0,
    }
