"""How a ranking is measured, in numpy: AUC, GAUC, NDCG, log loss, normalised entropy, ECE (intervals: ``bootstrap``).

Every function takes flat arrays, one entry a row: ``labels`` 0 or 1 (a row whose label is NaN is left out: the task is
not defined there), ``scores`` (higher = more likely; probabilities where the metric says so), ``groups`` (the user of
each row). A metric that is not defined (no rows, one class only) is NaN. Arrays of unequal length raise ValueError.
"""

import numpy as np

_SMALLEST = 1e-7


def auc(labels: np.ndarray, scores: np.ndarray) -> float:
    """Area under the ROC curve: the chance that a positive row scores above a negative one; ties count one half."""
    labels, scores = _defined(labels, scores)
    distinct, rank = np.unique(scores, return_inverse=True)
    positive = np.bincount(rank, weights=labels, minlength=len(distinct))
    negative = np.bincount(rank, weights=1 - labels, minlength=len(distinct))
    pairs = positive.sum() * negative.sum()
    below = np.cumsum(negative) - negative
    return float((positive * (below + negative / 2)).sum() / pairs) if pairs else float("nan")


def gauc(labels: np.ndarray, scores: np.ndarray, groups: np.ndarray) -> float:
    """AUC within each group that has both classes, averaged with the number of the group's rows as weight."""
    labels, scores, groups = _defined(labels, scores, groups)
    areas, sizes, _ = group_aucs(labels, scores, groups)
    return float(np.average(areas, weights=sizes)) if len(areas) else float("nan")


def ndcg(labels: np.ndarray, scores: np.ndarray, groups: np.ndarray, k: int = 10) -> float:
    """NDCG at ``k`` with gain = label, averaged over groups with a positive; tied rows share the mean gain."""
    labels, scores, groups = _defined(labels, scores, groups)
    values, _ = group_ndcgs(labels, scores, groups, k)
    return float(np.mean(values)) if len(values) else float("nan")


def log_loss(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean negative log likelihood in nats; probabilities are kept 1e-7 away from 0 and 1."""
    labels, probabilities = _defined(labels, probabilities)
    return float(losses(labels, probabilities).mean()) if len(labels) else float("nan")


def normalised_entropy(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Log loss over that of always saying the base rate (He et al. 2014): below 1 is better than knowing nothing."""
    labels, probabilities = _defined(labels, probabilities)
    if not len(labels) or labels.min() == labels.max():
        return float("nan")
    return log_loss(labels, probabilities) / log_loss(labels, np.full(len(labels), labels.mean()))


def ece(labels: np.ndarray, probabilities: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error: |mean label - mean probability| over bins of equally many rows, in order of score."""
    labels, probabilities = _defined(labels, probabilities)
    if not len(labels):
        return float("nan")
    order = np.argsort(probabilities, kind="stable")
    gap = (labels - probabilities)[order]
    parts = np.array_split(gap, min(bins, len(gap)))
    return float(sum(abs(part.sum()) for part in parts) / len(gap))


def group_aucs(labels: np.ndarray, scores: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """AUC, size and position (among the sorted groups) of every group that has both classes; no label is NaN."""
    group = np.unique(groups, return_inverse=True)[1]
    order = np.lexsort((scores, group))
    group, scores, labels = group[order], scores[order], labels[order]
    if not len(group):
        return np.empty(0), np.empty(0), np.empty(0, dtype=np.int64)
    tie_starts = np.flatnonzero(np.r_[True, (group[1:] != group[:-1]) | (scores[1:] != scores[:-1])])
    tie_sizes = np.diff(np.r_[tie_starts, len(group)])
    rank = np.repeat(tie_starts + (tie_sizes + 1) / 2, tie_sizes)  # mean rank of the tied rows, from 1
    starts = np.flatnonzero(np.r_[True, group[1:] != group[:-1]])
    sizes = np.diff(np.r_[starts, len(group)])
    positive = np.add.reduceat(labels, starts)
    negative = sizes - positive
    ranks = np.add.reduceat(rank * labels, starts) - positive * starts
    both = (positive > 0) & (negative > 0)
    areas = (ranks[both] - positive[both] * (positive[both] + 1) / 2) / (positive[both] * negative[both])
    return areas, sizes[both].astype(np.float64), np.flatnonzero(both)


def group_ndcgs(labels: np.ndarray, scores: np.ndarray, groups: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """NDCG at ``k`` and position (among the sorted groups) of every group with a positive; no label is NaN."""
    if not labels.any():
        return np.empty(0), np.empty(0, dtype=np.int64)
    group = np.unique(groups, return_inverse=True)[1]
    reached = _discounted(group, scores, _mean_of_ties(labels, scores, group), k)
    ideal = _discounted(group, labels, labels, k)
    return reached[ideal > 0] / ideal[ideal > 0], np.flatnonzero(ideal > 0)


def _mean_of_ties(labels: np.ndarray, scores: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Each row's label averaged over the rows of its group that share its score: no credit for the order of ties."""
    block = np.unique(np.stack([group.astype(np.float64), scores]), axis=1, return_inverse=True)[1].ravel()
    return (np.bincount(block, weights=labels) / np.bincount(block))[block]


def _discounted(group: np.ndarray, scores: np.ndarray, gains: np.ndarray, k: int) -> np.ndarray:
    """Discounted cumulative gain at k of every group, rows taken from the highest score down."""
    order = np.lexsort((-scores, group))
    starts = np.r_[0, np.cumsum(np.bincount(group))[:-1]]
    place = np.arange(len(group)) - starts[group[order]]
    discounted = np.where(place < k, gains[order] / np.log2(place + 2), 0.0)
    return np.bincount(group[order], weights=discounted)


def losses(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """(rows,) negative log likelihood of each row in nats; probabilities are kept 1e-7 away from 0 and 1."""
    clipped = np.clip(probabilities, _SMALLEST, 1 - _SMALLEST)
    return -(labels * np.log(clipped) + (1 - labels) * np.log1p(-clipped))


def _defined(labels: np.ndarray, *others: np.ndarray) -> tuple[np.ndarray, ...]:
    """Labels as float64 and the other arrays, without the rows whose label is NaN."""
    labels = np.asarray(labels, dtype=np.float64)
    columns = [np.asarray(other) for other in others]
    for column in columns:
        if column.shape != labels.shape:
            raise ValueError(f"expected arrays of one length; found {labels.shape} labels beside {column.shape}")
    keep = ~np.isnan(labels)
    return (labels[keep], *(column[keep] for column in columns))
