"""What one column says of a task by itself: its bins, and the smoothed rate of positives in each of them."""

from dataclasses import dataclass

import numpy as np

_BINS = 64
_SMOOTHING = 20.0
"""Pseudo-rows at the overall rate in every bin."""


@dataclass(frozen=True, eq=False)
class Ordered:
    """A column of numbers (rows,) in the order of its values, which many parts of the rows share."""

    rows: int
    order: np.ndarray
    """(known,) int64: the rows with a value, in the order of that."""
    values: np.ndarray
    """(known,) float64, ascending."""

    @classmethod
    def of(cls, values: np.ndarray) -> "Ordered":
        """Sort a column (rows,) float64, NaN = missing."""
        order = np.argsort(values)[: len(values) - int(np.isnan(values).sum())]  # NaN is last
        return cls(len(values), order, values[order])

    def bins(self, learn: np.ndarray, held: np.ndarray) -> tuple[np.ndarray, int]:
        """Bins (rows,) int64 and their number, as of ``bins_of``."""
        edges = _edges(self.values[learn[self.order]])
        ends = np.append(np.searchsorted(self.values, edges), len(self.order))
        found = np.zeros(self.rows, np.int64)
        found[self.order] = np.repeat(np.arange(1, len(edges) + 2), np.diff(ends, prepend=0))
        found[~(learn | held)] = 0
        return found, len(edges) + 2


def bins_of(values: np.ndarray, category: bool, learn: np.ndarray, held: np.ndarray) -> tuple[np.ndarray, int]:
    """Bins (rows,) int64 of a column (rows,), and their number; a missing value is a bin of its own, the first.

    Numbers: each value where the rows ``learn`` (rows,) bool have few distinct ones, else quantiles of those. Rows
    neither in ``learn`` nor in ``held`` (rows,) bool are not looked at: their bin is the first.
    """
    if category:
        return values + 1, int(values.max(initial=-1)) + 2
    return Ordered.of(values).bins(learn, held)


def _edges(given: np.ndarray) -> np.ndarray:
    """Where bins begin, ascending, for the ascending values (n,) ``given``."""
    first = np.append(True, given[1:] != given[:-1])[: len(given)]
    if np.count_nonzero(first) <= _BINS:
        return given[first]
    return np.unique(np.quantile(given, np.linspace(0, 1, _BINS + 1)[1:-1]))


def smoothed(negatives: np.ndarray, positives: np.ndarray) -> np.ndarray:
    """The rate (bins,) float64 of positives in bins with so many rows of each label, (bins,) each."""
    shown = negatives + positives
    overall = positives.sum() / max(shown.sum(), 1)
    found: np.ndarray = (positives + _SMOOTHING * overall) / (shown + _SMOOTHING)
    return found


def rates(bins: np.ndarray, count: int, labels: np.ndarray, learn: np.ndarray) -> np.ndarray:
    """The rate (rows,) float64 of each row's bin among the rows ``learn`` (rows,) bool, which have labels."""
    own, given = bins[learn], labels[learn]
    return smoothed(*(np.bincount(own[given == one], minlength=count) for one in (0, 1)))[bins]
