"""Canary against champion on the same traffic, in the same hours: difference of a metric per impression."""

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


def difference(
    values: np.ndarray,
    canary: np.ndarray,
    member: np.ndarray,
    block: np.ndarray | None = None,
    confidence: float = 0.95,
) -> Difference:
    """Compare the mean of ``values`` (rows,), such as labels, between canary and champion.

    ``canary`` (rows,) bool: which version showed the row. ``member`` (rows,): rows of one member are alike, and a
    member may have met both versions: the influence of its rows of both is summed before it is squared. ``block``
    (rows,) of any type, such as the hour: only rows of one block are compared. A row has as weight the other version's
    share of its block's rows (overlap weights: Li, Morgan and Zaslavsky, 2018), so that blocks which one version has
    alone count nothing, and shares that are the same in all blocks change nothing. Rows with a NaN value (pending) are
    left out. Raises ValueError for unequal lengths.
    """
    block = np.zeros(len(values)) if block is None else block
    values, of_canary, blocks, member = flat(
        values, np.asarray(canary, dtype=np.float64), group_places(block).astype(np.float64), cluster=member
    )
    shown = of_canary > 0
    if shown.any() and not shown.all():
        weights = share_of_the_other(shown, blocks.astype(np.int64))
        values, shown, member = (column[weights > 0] for column in (values, shown, member))
        weights = weights[weights > 0]
    else:
        weights = np.ones(len(values))
    sides = [ratio(values[side] * weights[side], weights[side], member[side], confidence) for side in (~shown, shown)]
    champion, other = sides
    places = group_places(member)
    clusters = int(places.max(initial=-1)) + 1
    if not champion.rows or not other.rows:
        return Difference(champion, other, nothing(len(values), clusters), NAN)
    totals = [weights[side].sum() for side in (~shown, shown)]
    influence = weights * np.where(shown, (values - other.value) / totals[1], (champion.value - values) / totals[0])
    change = other.value - champion.value
    found = around(change, clustered_error(influence, places), len(values), clusters, confidence)
    return Difference(champion, other, found, change / champion.value if champion.value else NAN)


def share_of_the_other(canary: np.ndarray, block: np.ndarray) -> np.ndarray:
    """The share of rows of the other version in each row's block, (rows,): 0 where it has none.

    ``canary`` (rows,) bool, ``block`` (rows,) int64 from 0.
    """
    rows, of_canary = np.bincount(block), np.bincount(block, weights=canary)
    share = of_canary / np.maximum(rows, 1)
    return np.where(canary, (1 - share)[block], share[block])
