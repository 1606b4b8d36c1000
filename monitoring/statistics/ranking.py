"""Realized AUC and normalized entropy with intervals between members, from one sort: 1 M rows in about a second.

The variance is that of the influence of each row, summed by member: for AUC the structural components of DeLong,
DeLong and Clarke-Pearson (1988), by cluster as in Obuchowski, "Nonparametric analysis of clustered ROC curve data"
(1997).
"""

import numpy as np

from models.metrics import defined, group_places, losses
from monitoring.statistics.clusters import Estimate, around, clustered_error, nothing


def auc_interval(labels: np.ndarray, scores: np.ndarray, member: np.ndarray, confidence: float = 0.95) -> Estimate:
    """AUC of ``scores`` (rows,) with its interval between members; ties count one half.

    ``labels`` (rows,) 0, 1 or NaN (pending: left out), ``member`` (rows,) of any type. The interval is cut at 0 and 1;
    where every pair is ordered the same way, the variance is 0 and the other end is that of as many pairs without
    an exception as the smaller class has rows: (1 - confidence)^(1 / rows). NaN with one class or a score that is NaN.
    Raises ValueError for labels other than 0, 1 and NaN and unequal lengths.
    """
    labels, scores, member = defined(labels, scores, groups=member)
    places = group_places(member)
    rows, clusters = len(labels), int(places.max(initial=-1)) + 1
    positives = labels.sum()
    negatives = rows - positives
    if not positives or not negatives or np.isnan(scores.astype(np.float64)).any():
        return nothing(rows, clusters)
    distinct, rank = np.unique(scores, return_inverse=True)
    positive = np.bincount(rank, weights=labels, minlength=len(distinct))
    negative = np.bincount(rank, weights=1 - labels, minlength=len(distinct))
    lower = (np.cumsum(negative) - negative / 2) / negatives  # share of the negatives below each score
    upper = 1 - (np.cumsum(positive) - positive / 2) / positives  # share of the positives above
    value = float((positive * lower).sum() / positives)
    influence = np.where(labels > 0, (lower[rank] - value) / positives, (upper[rank] - value) / negatives)
    if value in (0.0, 1.0):
        end = float((1 - confidence) ** (1 / min(positives, negatives)))
        return Estimate(value, end if value else 0.0, 1.0 if value else 1 - end, 0.0, rows, clusters)
    found = around(value, clustered_error(influence, places), rows, clusters, confidence)
    return Estimate(value, max(found.low, 0.0), min(found.high, 1.0), found.error, rows, clusters)


def entropy_interval(
    labels: np.ndarray, probabilities: np.ndarray, member: np.ndarray, confidence: float = 0.95
) -> Estimate:
    """Normalized entropy of ``probabilities`` (rows,) with its interval between members (He et al. 2014).

    Mean log loss L divided by the entropy H of the base rate r. A row's influence, by the delta method: (loss - L) / H
    - L / H^2 * log((1 - r) / r) * (label - r). ``labels`` and ``member`` as in ``auc_interval``. NaN with one class or
    a probability outside 0 to 1. Raises ValueError as ``auc_interval`` does.
    """
    labels, probabilities, member = defined(labels, probabilities, groups=member)
    places = group_places(member)
    rows, clusters = len(labels), int(places.max(initial=-1)) + 1
    lost = losses(labels, probabilities)
    if not rows or labels.min() == labels.max() or np.isnan(lost).any():
        return nothing(rows, clusters)
    rate, loss = labels.mean(), np.sort(lost).mean()  # in order of size, as in models.metrics
    entropy = -(rate * np.log(rate) + (1 - rate) * np.log1p(-rate))
    influence = (lost - loss) / entropy - loss / entropy**2 * np.log((1 - rate) / rate) * (labels - rate)
    return around(float(loss / entropy), clustered_error(influence / rows, places), rows, clusters, confidence)
