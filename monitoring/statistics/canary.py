"""Canary against champion on the same traffic: difference of a metric per impression, and SNIPS."""

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


@dataclass(frozen=True)
class Snips:
    """A version's mean reward, estimated from rows that a known policy chose."""

    estimate: Estimate
    effective: float
    """Effective sample size, (sum of weights)^2 / sum of squared weights (Kish 1965)."""
    mean_weight: float
    """Near 1 if the propensities are right and the log covers what the version would show."""
    clipped: float
    """Share of the rows whose weight was cut to the bound: the estimate is biased towards the log's policy there."""


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


def snips(
    rewards: np.ndarray,
    target: np.ndarray,
    logged: np.ndarray,
    member: np.ndarray,
    bound: float = 20.0,
    confidence: float = 0.95,
) -> Snips:
    """Self-normalized inverse propensity scoring (Swaminathan and Joachims 2015, section 5).

    sum of w * reward / sum of w with w = min(target / logged, bound). ``rewards`` (rows,) such as labels; ``target``
    (rows,) probability that the judged version shows the item there (0 or 1 for a fixed order); ``logged`` (rows,) the
    propensity in the served log; ``member`` (rows,) for the variance, which is that of the ratio between members. Rows
    with a NaN in any of them are left out: pending, or without a propensity. The estimate is NaN if no row has a
    weight. Raises ValueError for probabilities outside 0 to 1, a propensity of 0 (nothing can have been shown with it),
    a bound of 0 or less, and unequal lengths.
    """
    rewards, target, logged, member = flat(rewards, target, logged, cluster=member)
    if bound <= 0:
        raise ValueError(f"bound: expected a weight above 0; found {bound:g}")
    if ((target < 0) | (target > 1)).any() or ((logged <= 0) | (logged > 1)).any():
        raise ValueError("expected target in [0, 1] and logged in (0, 1]; found a row outside. Look at the served log")
    raw = target / logged
    weights = np.minimum(raw, bound)
    total, squared = float(weights.sum()), float((weights**2).sum())
    return Snips(
        ratio(weights * rewards, weights, member, confidence),
        total**2 / squared if squared else 0.0,
        float(weights.mean()) if len(weights) else NAN,
        float((raw > bound).mean()) if len(raw) else NAN,
    )
