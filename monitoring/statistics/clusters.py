"""Intervals of means whose rows come in clusters (the rows of one member are alike)."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from models.metrics import group_places

NAN = float("nan")
_FEW = 25


@dataclass(frozen=True)
class Estimate:
    """A value with its interval. All are NaN where the value is undefined, the interval also with one cluster."""

    value: float
    low: float
    high: float
    error: float
    """Standard error."""
    rows: int
    """Rows that were used."""
    clusters: int
    """Clusters of these rows."""


def nothing(rows: int = 0, clusters: int = 0) -> Estimate:
    """The estimate of what is undefined: NaN everywhere."""
    return Estimate(NAN, NAN, NAN, NAN, rows, clusters)


def ratio(top: np.ndarray, bottom: np.ndarray, cluster: np.ndarray, confidence: float = 0.95) -> Estimate:
    """``top.sum() / bottom.sum()`` with the variance between clusters.

    ``top`` and ``bottom`` (rows,), ``cluster`` (rows,) of any type; rows with a NaN in top or bottom are left out. The
    variance is that of the linearized ratio, summed within clusters (Cochran, Sampling Techniques, 1977, section 6.3),
    the interval has a t-quantile with clusters - 1 degrees of freedom. Raises ValueError for unequal lengths.
    """
    top, bottom, cluster = flat(top, bottom, cluster=cluster)
    total, places = bottom.sum(), group_places(cluster)
    clusters = int(places.max(initial=-1)) + 1
    if not total:
        return nothing(len(top), clusters)
    value = float(top.sum() / total)
    return around(value, clustered_error((top - value * bottom) / total, places), len(top), clusters, confidence)


def clustered_error(influence: np.ndarray, places: np.ndarray) -> float:
    """Standard error of a sum of ``influence`` (rows,) with mean 0, by cluster: ``places`` (rows,) int64 from 0.

    sqrt(G / (G - 1) * sum over the G clusters of the squared sum of their rows). NaN with fewer than two clusters.
    """
    sums = np.bincount(places, weights=influence)
    count = len(sums)
    return float(np.sqrt(count / (count - 1) * (sums**2).sum())) if count > 1 else NAN


def around(value: float, error: float, rows: int, clusters: int, confidence: float) -> Estimate:
    """The estimate with a t-interval of clusters - 1 degrees of freedom around ``value``, a scalar."""
    reach = t_quantile((1 + confidence) / 2, clusters - 1) * error if clusters > 1 else NAN
    return Estimate(value, value - reach, value + reach, error, rows, clusters)


def is_few(share: float, rows: float, clusters: int) -> bool:
    """Whether a variance between clusters says little: fewer than 25 outcomes of a kind, or clusters; scalars.

    Few outcomes are all alike by chance, and that variance is then 0 or far too small.
    """
    return min(share * rows, (1 - share) * rows, clusters) < _FEW


def share_error(share: float, rows: float, others: float) -> float:
    """Standard error of the difference of two equal shares, of as many independent rows; scalars.

    0 for a share outside 0 to 1 and without rows.
    """
    squared = share * (1 - share)
    return float(np.sqrt(squared * (1 / rows + 1 / others))) if min(squared, rows, others) > 0 else 0.0


@cache
def t_quantile(probability: float, freedom: float) -> float:
    """Quantile of Student's t with ``freedom`` degrees of freedom, a scalar."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, probability))


def flat(*columns: np.ndarray, cluster: np.ndarray) -> tuple[np.ndarray, ...]:
    """The columns (rows,) as float64 and the clusters, without rows that have a NaN in a column.

    Raises ValueError for other shapes.
    """
    found, cluster = [np.asarray(column, dtype=np.float64) for column in columns], np.asarray(cluster)
    if any(column.ndim != 1 or column.shape != cluster.shape for column in found):
        shapes = ", ".join(str(column.shape) for column in [*found, cluster])
        raise ValueError(f"expected flat arrays of one length; found {shapes}")
    keep = ~np.isnan(np.sum(found, axis=0))
    return (*(column[keep] for column in found), cluster[keep])
