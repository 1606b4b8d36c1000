"""Values that only positives have: of a column that predicts little elsewhere, where it is missing."""

from typing import NamedTuple

import numpy as np

from monitoring.leaks.tables import Table

_FEWEST_ROWS, _FEWEST_MEMBERS, _LEAST_SHARE = 50, 20, 0.05
_BOUND, _RATIO, MOST_EXPECTED = 0.98, 200.0, 0.8
"""The least bound of the rate, the least ratio of its odds to those of all rows, and the most that others expect."""
_SURE = 0.5
"""The bound's odds are at least this part of that ratio: a few pure rows say little where most rows are positive."""
_NORMAL = 1.6449


class Pure(NamedTuple):
    """Rows whose values are pure."""

    rows: np.ndarray
    """(rows,) bool: of validate."""
    rate: float
    """The share of positives in them."""
    share: float
    """The share of all positives that is in them."""


def pure_of(table: Table) -> Pure | None:
    """The validate rows in those bins that are nearly all positive on train, if they are on validate too.

    An honest number of an AUC up to .90 has a tail of high rates as well; its odds there are below ``_RATIO`` times.
    """
    part, (negatives, positives) = table.part, table.learn.sum(axis=0)
    odds = _RATIO * float(positives.sum()) / max(float(negatives.sum()), 1)
    nearly_all = (positives > 0) & (positives >= odds * negatives)
    n, found = (int(rows[nearly_all].sum()) for rows in (table.held.sum(axis=0), table.held[1]))
    total = int(table.held[1].sum())
    if n < _FEWEST_ROWS or found < _LEAST_SHARE * total:
        return None
    least = max(_BOUND, _SURE * odds / (1 + _SURE * odds))
    if _low(found, n) <= least or found < odds * (n - found):
        return None
    chosen = part.held & nearly_all[table.bins]
    if len(np.unique(part.members[chosen])) < _FEWEST_MEMBERS:
        return None
    return Pure(chosen, found / n, found / total)


def _low(found: float, n: int) -> float:
    """Wilson's one-sided lower bound of a share, 95 %."""
    rate, square = found / n, _NORMAL**2
    middle = rate + square / (2 * n)
    return float((middle - _NORMAL * np.sqrt(rate * (1 - rate) / n + square / (4 * n * n))) / (1 + square / n))
