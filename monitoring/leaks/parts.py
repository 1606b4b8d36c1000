"""The rows that a task is measured on, of all surfaces or of one, and the AUC of scores there."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from models import metrics
from models.bootstrap import UserBootstrap

ENOUGH = 20
"""Fewest labels of each class, in train and in validate; of a stratum as well."""
_DRAWS, _SEED, _CONFIDENCE = 200, 20_000, 0.95


def enough(labels: np.ndarray, of_each: int = ENOUGH) -> bool:
    """Whether ``labels`` (rows,), NaN left out, hold that many of each class."""
    return min(int(np.sum(labels == one)) for one in (0, 1)) >= of_each


@dataclass(frozen=True)
class Part:
    """One task on one surface or on all: labels (rows,), and the rows to learn from and to measure on, (rows,) bool."""

    task: str
    surface: str | None
    labels: np.ndarray
    learn: np.ndarray
    held: np.ndarray
    members: np.ndarray
    """Codes (rows,)."""
    strata: np.ndarray | None = None
    """(rows,) int64: only rows of one stratum are compared; None = all are."""

    @cached_property
    def cells(self) -> np.ndarray:
        """(rows,) int64: twice the member's half plus the label of a row to learn from; 4 plus that of one to measure
        on; 6 of the others."""
        found = np.full(len(self.labels), 6, np.int64)
        found[self.learn] = 2 * (self.members[self.learn] % 2) + (self.labels[self.learn] == 1)
        found[self.held] = 4 + (self.labels[self.held] == 1)
        return found

    def area(self, rows: np.ndarray, scores: np.ndarray) -> float:
        """AUC of ``scores`` (n,) of the n rows of ``rows`` (rows,) bool; within strata: by pairs. NaN = undefined."""
        labels = self.labels[rows]
        if self.strata is None:
            return metrics.auc(labels, scores)
        strata = self._strata(rows)
        areas = [metrics.auc(labels[own], scores[own]) for own, _ in strata]
        return float(np.average(areas, weights=[pairs for _, pairs in strata])) if strata else float("nan")

    def low(self, rows: np.ndarray, statistic: Callable[[Callable[[np.ndarray], np.ndarray]], np.ndarray]) -> float:
        """The one-sided lower bound of a statistic by a bootstrap over members; NaN where it is undefined.

        ``statistic`` is called with a function from scores (n,) to the draws of their AUC: of the same draws each time.
        """
        bootstrap = UserBootstrap(self.members[rows], _DRAWS, _SEED)
        found = statistic(lambda scores: self._draws(bootstrap, rows, scores))
        return float("nan") if np.isnan(found).all() else float(np.nanquantile(found, 1 - _CONFIDENCE))

    def _draws(self, bootstrap: UserBootstrap, rows: np.ndarray, scores: np.ndarray) -> np.ndarray:
        labels = self.labels[rows]
        if self.strata is None:
            return bootstrap.draws("auc", labels, scores)
        strata = self._strata(rows)
        found = np.array([bootstrap.draws("auc", labels, scores, own) for own, _ in strata]).reshape(-1, _DRAWS)
        weights = np.array([pairs for _, pairs in strata])[:, None] * ~np.isnan(found)
        return np.nansum(found * weights, axis=0) / np.where(weights.sum(axis=0), weights.sum(axis=0), np.nan)

    def measurable(self) -> bool:
        """Whether train and validate have enough labels, and validate a stratum that has."""
        both = all(enough(self.labels[rows]) for rows in (self.learn, self.held))
        return both and (self.strata is None or bool(self._strata(self.held)))

    def _strata(self, rows: np.ndarray) -> list[tuple[np.ndarray, float]]:
        """Rows (n,) bool and number of pairs of each stratum with enough labels."""
        assert self.strata is not None
        labels, strata = self.labels[rows], self.strata[rows]
        found = []
        for own in (strata == stratum for stratum in np.unique(strata)):
            positives, negatives = (float(np.sum(labels[own] == one)) for one in (1, 0))
            if min(positives, negatives) >= ENOUGH:
                found.append((own, positives * negatives))
        return found
