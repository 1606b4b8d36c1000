"""What a version's own order would have earned without exploration: the self-normalized estimate (SNIPS).

Swaminathan and Joachims, "The Self-Normalized Estimator for Counterfactual Learning", NeurIPS 2015, equation 7: the sum
of weight * outcome over the sum of weights. The policy that is judged is the version's usual order; the log is that of
the mixture of this order and of random ones (``serving.ranking.explore``), and a row's propensity is the probability of
its item at its rank. The weight is 1 / propensity where the item stands at its usual rank, else 0.

Propensities alone say which rows those are, while at most half of the slates are in random order: with a share s and a
group of G items an item has the propensity 1 - s + s / G > 1/2 at its usual rank, and s / G <= 1/4 at any other. So a
weight is below 2, and no row depends on another one. With a larger share small groups alone would have weights: a day
has no sums then (``monitoring.days.summarize``), and where most rows have no weight there is no estimate.

The estimate is that of an outcome that depends on the item and its rank, not on the rest of the slate. A version is
judged on the slates that it served: nothing is said of orders that another version would have made of them.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, NamedTuple

import numpy as np

from models.metrics import group_places
from monitoring.statistics.clusters import Estimate, around, is_few, share_error, t_quantile

FEWEST_ROWS, FEWEST_CLUSTERS = 100.0, 10.0
"""Effective rows, and effective clusters, below which there is no estimate: (sum of weights)^2 / sum of squares."""
USUAL = 0.5
"""Propensities above are those of an item's usual rank, while the share of slates in random order is not."""


@dataclass(frozen=True)
class Sums:
    """Sums over the rows of one version. Those of several days are added up: a cluster is a member on a day."""

    rows: int = 0
    """Settled rows with a propensity above 0 and at most 1."""
    refused: int = 0
    """Settled rows with another propensity, or none. They are in no other sum."""
    explored: int = 0
    """Rows whose propensity is below 1."""
    placed: int = 0
    """Rows at their usual rank: those with a weight."""
    clusters: int = 0
    """Clusters with such a row."""
    weight: float = 0.0
    outcome: float = 0.0
    """Sum of weight * outcome."""
    squares: float = 0.0
    """Sum of the squared weights of rows."""
    weight_weight: float = 0.0
    """Sum over clusters: the squared weight of its rows together."""
    weight_outcome: float = 0.0
    """The same of the weight times the weighted outcome."""
    outcome_outcome: float = 0.0

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(**{one.name: getattr(self, one.name) + getattr(other, one.name) for one in fields(self)})

    @property
    def size(self) -> float:
        """Effective rows: (sum of weights)^2 / sum of squared weights."""
        return self.weight**2 / self.squares if self.squares else 0.0

    @property
    def rate(self) -> float:
        """The self-normalized estimate; there must be a weight."""
        return self.outcome / self.weight

    @property
    def variance(self) -> float:
        """Variance of ``rate`` between clusters, by the delta method; NaN with fewer than two of them."""
        if self.clusters < 2:
            return float("nan")
        rate = self.rate
        squared = self.outcome_outcome - 2 * rate * self.weight_outcome + rate**2 * self.weight_weight
        return self.clusters / (self.clusters - 1) * max(squared, 0.0) / self.weight**2

    def is_enough(self) -> bool:
        """Whether an estimate may be made of the sums."""
        clusters = self.weight**2 / self.weight_weight if self.weight_weight else 0.0
        usual = bool(self.explored) and 2 * self.placed >= self.rows
        return usual and self.size >= FEWEST_ROWS and clusters >= FEWEST_CLUSTERS and self.clusters >= 2

    def to_json(self) -> dict[str, Any]:
        """Convert to strict JSON, which ``Sums(**document)`` reads."""
        return asdict(self)


class Pair(NamedTuple):
    """One day of two versions."""

    champion: Sums
    canary: Sums
    shared: Sequence[float] = (0.0,) * 4
    """Over the clusters that met both: sums of the champion's times the canary's (weight, weight), (weight, outcome),
    (outcome, weight), (outcome, outcome)."""

    @property
    def variance(self) -> float:
        """Variance of the difference of both rates: that of each, without the covariance by members who met both."""
        one, other = self.champion, self.canary
        weights, second, first, outcomes = self.shared
        both = outcomes - one.rate * second - other.rate * first + one.rate * other.rate * weights
        factor = math.prod(side.clusters / (side.clusters - 1) for side in (one, other)) ** 0.5
        return max(one.variance + other.variance - 2 * factor * both / (one.weight * other.weight), 0.0)

    @property
    def least_variance(self) -> float:
        """The same if the rates were equal and all rows independent."""
        one, other = self.champion, self.canary
        rate = (one.outcome + other.outcome) / (one.weight + other.weight)
        return share_error(rate, one.size, other.size) ** 2


@dataclass(frozen=True)
class Difference:
    """The canary's rate minus the champion's, both without exploration."""

    champion: float
    """The champion's rate, days weighted as in ``difference``."""
    difference: Estimate
    champion_size: float
    """Effective rows (``Sums.size``) of the days that were used."""
    canary_size: float
    refused: int
    """Rows of both whose propensity could not be used."""
    days: int = field(default=0)
    """Days that were used."""


def clustered(
    outcome: np.ndarray, propensity: np.ndarray, cluster: np.ndarray, clusters: int
) -> tuple[Sums, np.ndarray]:
    """The sums of a version's rows, whatever their order, and (2, clusters) weight and weighted outcome by cluster.

    ``outcome`` (rows,): 0 or 1, NaN = pending: left out. ``propensity`` (rows,), ``cluster`` (rows,) int64 from 0 to
    below ``clusters``, a scalar.
    """
    settled = ~np.isnan(outcome)
    usable = settled & (propensity > 0) & (propensity <= 1)
    placed = np.flatnonzero(usable & (propensity > USUAL))
    # Sums do not depend on the order of the rows.
    placed = placed[np.lexsort((outcome[placed], propensity[placed], cluster[placed]))]
    weight, found = 1 / propensity[placed], outcome[placed]
    weights, outcomes = (
        np.bincount(cluster[placed], weights=one, minlength=clusters) for one in (weight, weight * found)
    )
    sums = Sums(
        rows=int(usable.sum()),
        refused=int((settled & ~usable).sum()),
        explored=int((usable & (propensity < 1)).sum()),
        placed=len(placed),
        clusters=int((weights > 0).sum()),
        weight=float(weights.sum()),
        outcome=float(outcomes.sum()),
        squares=float((weight**2).sum()),
        weight_weight=float((weights**2).sum()),
        weight_outcome=float((weights * outcomes).sum()),
        outcome_outcome=float((outcomes**2).sum()),
    )
    return sums, np.stack([weights, outcomes])


def shared(champion: np.ndarray, canary: np.ndarray) -> list[float]:
    """``Pair.shared`` of the (2, clusters) arrays that ``clustered`` gives for two versions, for the same clusters."""
    return [float((one * other).sum()) for one in champion for other in canary]


def sums(outcome: np.ndarray, propensity: np.ndarray, cluster: np.ndarray) -> Sums:
    """The sums of a version's rows: (rows,) each, clusters of any type. Raises ValueError for unequal lengths."""
    outcome, propensity = (np.asarray(one, dtype=np.float64) for one in (outcome, propensity))
    places = group_places(np.asarray(cluster))
    if not outcome.shape == propensity.shape == places.shape:
        raise ValueError(
            f"expected flat arrays of one length; found {outcome.shape}, {propensity.shape}, {places.shape}"
        )
    return clustered(outcome, propensity, places, int(places.max(initial=-1)) + 1)[0]


def rate(found: Sums, confidence: float = 0.95) -> Estimate | None:
    """What the usual order would have earned per row, with its t-interval between clusters, cut at 0 and 1.

    Where every outcome is the same the variance is 0, and the other end is that of as many clusters without an
    exception: (1 - confidence)^(1 / clusters). None without an explored row, with fewer than 100 effective rows or 10
    effective clusters, or where less than half of the rows have a weight.
    """
    if not found.is_enough():
        return None
    value = min(found.rate, 1.0)
    if value in (0.0, 1.0):
        end = float((1 - confidence) ** (1 / found.clusters))
        return Estimate(value, end if value else 0.0, 1.0 if value else 1 - end, 0.0, found.placed, found.clusters)
    whole = around(value, found.variance**0.5, found.placed, found.clusters, confidence)
    return Estimate(value, max(whole.low, 0.0), min(whole.high, 1.0), whole.error, found.placed, found.clusters)


def difference(days: Sequence[Pair], confidence: float = 0.95) -> Difference | None:
    """The canary's rate minus the champion's, compared within days: a day on which all click more favors neither.

    A day's weight is n * m / (n + m) of its effective rows, which no outcome has a part in. The variance of a day has
    that of both rates and, by members who met both, their covariance; days count as independent. With few outcomes the
    variance is at least that of equal shares among as many independent rows (``share_error``). The t-interval has as
    many degrees of freedom as the version with fewer clusters has more of them than days. A day with fewer than two
    clusters of a version is left out. None where ``rate`` of either version over the days that are left would be None,
    or no outcome differs from another.
    """
    used = [day for day in days if min(day.champion.clusters, day.canary.clusters) > 1]
    champion, canary = sum((day.champion for day in used), Sums()), sum((day.canary for day in used), Sums())
    if not (champion.is_enough() and canary.is_enough()):
        return None
    sizes = np.array([[day.champion.size, day.canary.size] for day in used])
    weights = sizes.prod(axis=1) / sizes.sum(axis=1)
    weights /= weights.sum()
    rates = np.array([[day.champion.rate, day.canary.rate] for day in used])
    base, other = (weights @ rates).tolist()
    few = any(is_few(side.rate, side.size, side.clusters) for side in (champion, canary))
    variances = [max(day.variance, day.least_variance * few) for day in used]
    error = float(np.sqrt(weights**2 @ variances))
    if not error:
        return None
    freedom = min(champion.clusters, canary.clusters) - len(used)
    reach, change = t_quantile((1 + confidence) / 2, freedom) * error, other - base
    return Difference(
        champion=base,
        difference=Estimate(
            change,
            change - reach,
            change + reach,
            error,
            champion.placed + canary.placed,
            champion.clusters + canary.clusters,
        ),
        champion_size=champion.size,
        canary_size=canary.size,
        refused=champion.refused + canary.refused,
        days=len(used),
    )
