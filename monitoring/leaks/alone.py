"""What one column says of a task by itself: the smoothed rate of positives in each of its bins."""

import numpy as np

_BINS = 64
_SMOOTHING = 20.0
"""Pseudo-rows at the overall rate in every bin."""


def bins_of(values: np.ndarray, category: bool, learn: np.ndarray, held: np.ndarray) -> tuple[np.ndarray, int]:
    """Bins (rows,) int64 of a column (rows,), and their number; a missing value is a bin of its own, the first.

    Numbers: each value where the rows ``learn`` (rows,) bool have few distinct ones, else quantiles of those. Rows
    neither in ``learn`` nor in ``held`` (rows,) bool are not looked at: their bin is the first.
    """
    if category:
        return values + 1, int(values.max(initial=-1)) + 2
    known = (learn | held) & ~np.isnan(values)
    given = values[learn & known]
    distinct = np.unique(given)
    edges = distinct if len(distinct) <= _BINS else np.unique(np.quantile(given, np.linspace(0, 1, _BINS + 1)[1:-1]))
    found = np.zeros(len(values), np.int64)
    found[known] = np.searchsorted(edges, values[known], side="right") + 1
    return found, len(edges) + 2


def rates(bins: np.ndarray, count: int, labels: np.ndarray, learn: np.ndarray) -> np.ndarray:
    """The rate (rows,) float64 of each row's bin among the rows ``learn`` (rows,) bool, which have labels."""
    shown = np.bincount(bins[learn], minlength=count)
    positive = np.bincount(bins[learn], weights=labels[learn], minlength=count)
    overall = positive.sum() / max(shown.sum(), 1)
    found: np.ndarray = ((positive + _SMOOTHING * overall) / (shown + _SMOOTHING))[bins]
    return found


def crossed(bins: np.ndarray, count: int, labels: np.ndarray, learn: np.ndarray, member: np.ndarray) -> np.ndarray:
    """The same (rows,) for the rows ``learn`` themselves, each by the other half of the members; NaN elsewhere."""
    found = np.full(len(bins), np.nan)
    for half in (0, 1):
        own = learn & (member % 2 == half)
        found[own] = rates(bins, count, labels, learn & ~own)[own]
    return found
