"""Canary against champion on the same traffic: difference of a metric per impression."""

from dataclasses import dataclass

import numpy as np

from models.metrics import group_places
from monitoring.statistics.clusters import NAN, Estimate, around, clustered_error, flat, nothing, ratio


@dataclass(frozen=True)
class Difference:
    """Two versions and their difference, canary minus champion; NaN where a version has no rows."""

    champion: Estimate
    canary: Estimate
    difference: Estimate
    relative: float
    """Difference / champion's value; NaN where that is 0."""


def difference(values: np.ndarray, canary: np.ndarray, member: np.ndarray, confidence: float = 0.95) -> Difference:
    """Compare the mean of ``values`` (rows,), such as labels, between canary and champion.

    ``canary`` (rows,) bool: which version showed the row. ``member`` (rows,): rows of one member are alike, and a
    member may have met both versions: the influence of its rows of both is summed before it is squared. Rows with a NaN
    value (pending) are left out. Raises ValueError for unequal lengths.
    """
    values, of_canary, member = flat(values, np.asarray(canary, dtype=np.float64), cluster=member)
    shown = of_canary > 0
    sides = [ratio(values[side], np.ones(side.sum()), member[side], confidence) for side in (~shown, shown)]
    champion, other = sides
    places = group_places(member)
    clusters = int(places.max(initial=-1)) + 1
    if not champion.rows or not other.rows:
        return Difference(champion, other, nothing(len(values), clusters), NAN)
    influence = np.where(shown, (values - other.value) / other.rows, (champion.value - values) / champion.rows)
    change = other.value - champion.value
    found = around(change, clustered_error(influence, places), len(values), clusters, confidence)
    return Difference(champion, other, found, change / champion.value if champion.value else NAN)
