"""Columns that say the same: one leak in seconds and in milliseconds, which would hide each other."""

from collections.abc import Iterable

import numpy as np
from scipy.stats import rankdata

from monitoring.leaks.alone import bins_of, rates
from monitoring.leaks.parts import Part
from monitoring.leaks.rows import Rows

_SAME = 0.95
_MOST_ROWS = 10_000


def copies_of(rows: Rows, part: Part, columns: Iterable[str]) -> set[str]:
    """The columns whose rank correlation with one of ``columns`` is above ``_SAME``, by values (numbers) or rates."""
    given = set(columns)
    if not given:
        return set()
    places = np.flatnonzero(part.held)[:_MOST_ROWS]
    names = list(rows.values)
    found: set[str] = set()
    for ranks in (_values(rows, places), _rates(rows, part, places)):
        with np.errstate(divide="ignore", invalid="ignore"):
            same = np.abs(np.corrcoef(ranks)) > _SAME if len(names) > 1 else np.zeros((len(names),) * 2, bool)
        own = np.array([name in given for name in names])
        found |= {name for name, copied in zip(names, same[own].any(axis=0), strict=True) if copied}
    return found - given


def _values(rows: Rows, places: np.ndarray) -> np.ndarray:
    """Ranks (columns, n) of numbers, a missing one is the lowest; 0 for a category."""
    return np.array(
        [
            np.zeros(len(places))
            if name in rows.categories
            else rankdata(np.nan_to_num(values[places], nan=-np.inf, neginf=-np.inf))
            for name, values in rows.values.items()
        ]
    )


def _rates(rows: Rows, part: Part, places: np.ndarray) -> np.ndarray:
    found = []
    for name, values in rows.values.items():
        bins, count = bins_of(values, name in rows.categories, part.learn, part.held)
        found.append(rankdata(rates(bins, count, part.labels, part.learn)[places]))
    return np.array(found)
