"""What one column says of a task, from the counts of its bins alone: rates of positives, and their AUC."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from monitoring.leaks.alone import smoothed
from monitoring.leaks.parts import Part


@dataclass(frozen=True, eq=False)
class Table:
    """The rows of a part, counted by bin of one column."""

    part: Part
    bins: np.ndarray
    """(rows,) int64."""
    learn: np.ndarray
    """(2, 2, bins) int64: rows to learn from, by half of the members and label."""
    held: np.ndarray
    """(2, bins) int64: rows to measure on, by label."""

    @classmethod
    def of(cls, part: Part, bins: np.ndarray, count: int) -> "Table":
        """Count the part's rows in ``bins`` (rows,), of which there are ``count``."""
        found = np.bincount(part.cells * count + bins, minlength=7 * count).reshape(7, count)
        return cls(part, bins, found[:4].reshape(2, 2, count), found[4:6])

    @cached_property
    def rates(self) -> np.ndarray:
        """(bins,) the rate of positives among the rows to learn from."""
        return smoothed(*self.learn.sum(axis=0))

    @cached_property
    def crossed(self) -> np.ndarray:
        """(2, bins) the same for the rows to learn from themselves, each by the other half of the members."""
        return np.array([smoothed(*self.learn[1 - half]) for half in (0, 1)])

    def held_scores(self) -> np.ndarray:
        """(n,) the rate of each row to measure on."""
        return self.rates[self.bins[self.part.held]]

    def learn_scores(self) -> np.ndarray:
        """(n,) the crossed rate of each row to learn from."""
        return self.crossed[self.part.members[self.part.learn] % 2, self.bins[self.part.learn]]

    def held_area(self) -> float:
        """The AUC of ``held_scores``."""
        if self.part.strata is not None:
            return self.part.area(self.part.held, self.held_scores())
        return _area(self.rates, *self.held)

    def learn_area(self) -> float:
        """The AUC of ``learn_scores``."""
        if self.part.strata is not None:
            return self.part.area(self.part.learn, self.learn_scores())
        return _area(self.crossed.ravel(), *(self.learn[:, label].ravel() for label in (0, 1)))


def _area(scores: np.ndarray, negatives: np.ndarray, positives: np.ndarray) -> float:
    """The AUC of so many rows (k,) of each score (k,); NaN for one class."""
    distinct, place = np.unique(scores, return_inverse=True)
    below, above = (np.bincount(place, weights=rows, minlength=len(distinct)) for rows in (negatives, positives))
    pairs = below.sum() * above.sum()
    return float(np.sum(above * (np.cumsum(below) - below / 2)) / pairs) if pairs else float("nan")
