"""From rows of members and items to collaborative features: the one implementation that training and serving share.

Sums run over an item's neighbors in the order of its row, in float64 (``numpy.bincount``), so that a value has the same
bits for one pair as for a million.
"""

from typing import NamedTuple

import numpy as np

from models.collaborative.plan import (
    BASE,
    EASE,
    ITEM_ITEM,
    LOW_RANK,
    POSITIVE,
    USER_USER,
    CollaborativePlan,
    feature_columns,
)
from models.counters.ragged import Columns, Ragged, lists, numbers


class Pairs(NamedTuple):
    """P pairs of a member's row and an item's row, by their positions: (P,) int64 each."""

    member: np.ndarray
    item: np.ndarray


def derive(plan: CollaborativePlan, members: Columns, items: Columns, pairs: Pairs) -> dict[str, np.ndarray]:
    """Derive the features of every pair: (P,) float32 by column, NaN = missing.

    Missing are the features of a pair without the member's or the item's row, except the other side's own effect, and
    all of a pair whose rows do not fit (``mixed``). An item's row that is older than the member's is none: the item is
    in no member's list any more.
    """
    name = plan.name
    member_known, item_known = _known(plan, members, items, pairs)
    both = np.flatnonzero(member_known & item_known)
    inner = Pairs(pairs.member[both], pairs.item[both])
    found: dict[str, np.ndarray] = {}
    if BASE in plan.kinds:
        effects = {}
        for side, rows, places, known in (
            ("member_effect", members, pairs.member, member_known),
            ("item_effect", items, pairs.item, item_known),
        ):
            values = numbers(rows, f"{name}_{side}")[places].astype(np.float64)
            effects[f"{name}_{side}"] = np.where(known, values, np.nan)
        mean = numbers(members, f"{name}_mean")[pairs.member].astype(np.float64)
        found[f"{name}_base"] = mean + effects[f"{name}_member_effect"] + effects[f"{name}_item_effect"]
        found |= effects
    for kind in (ITEM_ITEM, POSITIVE):
        if kind in plan.kinds:
            mean, weight = _neighbor_mean(plan, kind, members, items, inner)
            found[f"{name}_{kind}"] = _spread(mean, both, len(pairs.member))
            found[f"{name}_{kind}_weight"] = _spread(weight, both, len(pairs.member))
    for kind, column in ((LOW_RANK, "factors"), (USER_USER, "exposure_factors")):
        if kind in plan.kinds:
            product = _product(plan, column, members, items, inner)
            found[f"{name}_{kind}"] = _spread(product, both, len(pairs.member))
    if EASE in plan.kinds:
        owner, place, weights = _seen_neighbors(plan, EASE, members, items, inner)
        total = np.bincount(owner, weights * lists(members, f"{name}_positive").values[place], minlength=len(both))
        found[f"{name}_ease"] = _spread(total, both, len(pairs.member))
    return {column: found[column].astype(np.float32) for column in feature_columns(plan)}


def mixed(plan: CollaborativePlan, members: Columns, items: Columns, pairs: Pairs) -> np.ndarray:
    """Which pairs have a member's row that is older than the item's, or rows of two fits of a cut: (P,) bool."""
    left, right = _both(plan, "cut", members, items, pairs)
    own, other = _both(plan, "snapshot", members, items, pairs)
    return (left > 0) & ((left < right) | ((left == right) & (own != other)))


def _both(
    plan: CollaborativePlan, column: str, members: Columns, items: Columns, pairs: Pairs
) -> tuple[np.ndarray, np.ndarray]:
    """A column that both views have, of each pair's member and item: (P,) int64 each."""
    left = numbers(members, f"{plan.name}_member_{column}")[pairs.member]
    return left, numbers(items, f"{plan.name}_item_{column}")[pairs.item]


def _known(plan: CollaborativePlan, members: Columns, items: Columns, pairs: Pairs) -> tuple[np.ndarray, np.ndarray]:
    """Whether each pair has a member's row, and an item's; both only of one snapshot."""
    left, right = _both(plan, "cut", members, items, pairs)
    usable = ~mixed(plan, members, items, pairs)
    return (left > 0) & usable, (right > 0) & (right >= left) & usable


def _neighbor_mean(
    plan: CollaborativePlan, kind: str, members: Columns, items: Columns, pairs: Pairs
) -> tuple[np.ndarray, np.ndarray]:
    """Weighted mean of the residuals of the neighbors that a member has seen, 0 without any, and the sum of weights."""
    owner, place, weights = _seen_neighbors(plan, kind, members, items, pairs)
    if kind == POSITIVE:
        weights = weights * lists(members, f"{plan.name}_positive").values[place]
    count = len(pairs.member)
    total = np.bincount(owner, weights, minlength=count)
    residuals = lists(members, f"{plan.name}_residual").values[place]
    weighted = np.bincount(owner, weights * residuals, minlength=count)
    return np.divide(weighted, total, out=np.zeros(count), where=total > 0), total


def _product(plan: CollaborativePlan, column: str, members: Columns, items: Columns, pairs: Pairs) -> np.ndarray:
    """The product of both sides' vectors of a name: (P,) float64."""
    left = lists(members, f"{plan.name}_member_{column}").take(pairs.member)
    right = lists(items, f"{plan.name}_item_{column}").take(pairs.item)
    owner = np.repeat(np.arange(len(left)), left.lengths)
    return np.bincount(owner, left.values.astype(np.float64) * right.values, minlength=len(left))


def _seen_neighbors(
    plan: CollaborativePlan, kind: str, members: Columns, items: Columns, pairs: Pairs
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The neighbors of each pair's item that its member has seen: pair, position in the member's lists, weight."""
    hashes = lists(items, f"{plan.name}_{kind}_neighbors").take(pairs.item)
    weights = lists(items, f"{plan.name}_{kind}_weights").take(pairs.item)
    owner = np.repeat(np.arange(len(hashes)), hashes.lengths)
    place, found = _find(lists(members, f"{plan.name}_seen"), pairs.member[owner], hashes.values)
    return owner[found], place[found], weights.values[found].astype(np.float64)


def _find(rows: Ragged, row: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Position of each wanted value in the values of its (ascending) row, and whether it is there: (n,) each."""
    low, end = rows.starts[row], rows.ends[row]
    if len(rows) == 1:
        low = low + np.searchsorted(rows[0], wanted)
    else:
        high = end.copy()
        while (open_ := low < high).any():
            middle = np.where(open_, (low + high) // 2, 0)
            below = open_ & (rows.values[middle] < wanted)
            high = np.where(open_ & ~below, middle, high)
            low = np.where(below, middle + 1, low)
    found = low < end
    found[found] = rows.values[low[found]] == wanted[found]
    return low, found


def _spread(values: np.ndarray, places: np.ndarray, count: int) -> np.ndarray:
    """Values at their places among ``count`` pairs, NaN elsewhere."""
    spread = np.full(count, np.nan)
    spread[places] = values
    return spread
