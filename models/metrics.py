"""Ranking metrics in numpy: AUC, GAUC, NDCG, log loss, normalized entropy and ECE (intervals: ``models.bootstrap``).

Every function takes flat arrays (rows,): ``labels`` 0 or 1 (bool, integer or float; a row with a NaN label is left out:
the task is undefined there), ``scores`` (higher = more likely) or ``probabilities``, and ``groups`` (the user of each
row, of any type). The order of the rows changes no result, not even its last bit.

A metric is NaN where it is undefined: no rows, only one class, a NaN score in a row with a label, or a probability
outside 0 to 1. Ranking metrics accept infinite scores. Raises ValueError for unequal lengths, more than one dimension,
labels other than 0, 1 and NaN, and scores that are not numbers.
"""

from typing import Any

import numpy as np

_SMALLEST = 1e-7
_NAN = float("nan")


def auc(labels: np.ndarray, scores: np.ndarray) -> float:
    """Area under the ROC curve of ``scores`` (rows,): the chance that a positive row scores above a negative one.

    Ties count one half.
    """
    labels, scores = defined(labels, scores)
    if _unknown(scores):
        return _NAN
    distinct, rank = np.unique(scores, return_inverse=True)
    positive = np.bincount(rank, weights=labels, minlength=len(distinct))
    negative = np.bincount(rank, weights=1 - labels, minlength=len(distinct))
    pairs = positive.sum() * negative.sum()
    below = np.cumsum(negative) - negative
    return float((positive * (below + negative / 2)).sum() / pairs) if pairs else _NAN


def gauc(labels: np.ndarray, scores: np.ndarray, groups: np.ndarray) -> float:
    """AUC of ``scores`` (rows,) within each group that has both classes, averaged with the groups' sizes as weights."""
    labels, scores, groups = defined(labels, scores, groups=groups)
    if _unknown(scores):
        return _NAN
    areas, sizes, _ = group_aucs(labels, scores, groups)
    return float(np.average(areas, weights=sizes)) if len(areas) else _NAN


def ndcg(labels: np.ndarray, scores: np.ndarray, groups: np.ndarray, k: int = 10) -> float:
    """NDCG at ``k`` of ``scores`` (rows,), gain = label, averaged over groups with a positive.

    Tied rows share their mean gain. Raises ValueError if ``k`` is below 1.
    """
    labels, scores, groups = defined(labels, scores, groups=groups)
    if k < 1:
        raise ValueError(f"k: expected 1 or more places; found {k}")
    if _unknown(scores):
        return _NAN
    values, _ = group_ndcgs(labels, scores, groups, k)
    return float(np.mean(values)) if len(values) else _NAN


def log_loss(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean negative log likelihood of ``probabilities`` (rows,) in nats; they are clipped to 1e-7 from 0 and 1."""
    labels, probabilities = defined(labels, probabilities)
    # Summed in order of size: a sum of floats depends on the order of its terms.
    return float(np.sort(losses(labels, probabilities)).mean()) if len(labels) else _NAN


def normalised_entropy(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Log loss of ``probabilities`` (rows,) divided by that of the base rate (He et al. 2014).

    Below 1 is better than a constant prediction.
    """
    labels, probabilities = defined(labels, probabilities)
    if not len(labels) or labels.min() == labels.max():
        return _NAN
    return log_loss(labels, probabilities) / log_loss(labels, np.full(len(labels), labels.mean()))


def ece(labels: np.ndarray, probabilities: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error of ``probabilities`` (rows,), over bins of equally many rows by score.

    The mean over rows of |mean label - mean probability| of the row's bin.

    Rows of one score are interchangeable: if they span several bins, each bin gets its share of all of them.
    """
    labels, probabilities = defined(labels, probabilities)
    if not len(labels) or _no_probability(probabilities).any():
        return _NAN
    distinct, rank, rows = np.unique(probabilities.astype(np.float64), return_inverse=True, return_counts=True)
    gaps = np.bincount(rank, weights=labels) - rows * distinct
    part, shares = score_bins(rows, bins)
    return float(np.abs(shares @ np.bincount(part, weights=gaps)).sum() / len(labels))


def score_bins(rows: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Bins of equally many rows by ascending score, for ``rows`` (distinct scores,): how many rows each score has.

    Returns the part of each distinct score, (distinct scores,) int64, and each bin's share of each part, (bins, parts)
    float64. A part is all scores within one bin, or one score whose rows span several bins. There are at most as many
    bins as rows. Raises ValueError if ``bins`` is below 1.
    """
    if bins < 1:
        raise ValueError(f"bins: expected 1 or more; found {bins}")
    total = int(rows.sum())
    bins = min(bins, max(total, 1))
    borders = np.r_[0, np.cumsum(np.full(bins, total // bins) + (np.arange(bins) < total % bins))]
    end = np.cumsum(rows)
    start = end - rows
    first, last = (np.searchsorted(borders, place, side="right") - 1 for place in (start, end - 1))
    split = np.flatnonzero(first != last)
    part = first.astype(np.int64)
    part[split] = bins + np.arange(len(split))
    overlap = np.minimum(end[split], borders[1:, None]) - np.maximum(start[split], borders[:-1, None])
    return part, np.hstack([np.eye(bins), np.maximum(overlap, 0) / rows[split]])


def group_aucs(labels: np.ndarray, scores: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """AUC, size and position among the sorted groups, (groups,) each, of every group with both classes.

    Takes arrays (rows,) as ``defined`` returns them, without NaN.
    """
    group = group_places(groups)
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
    """NDCG at ``k`` and position among the sorted groups, (groups,) each, of every group with a positive.

    Takes arrays (rows,) as ``defined`` returns them, without NaN.
    """
    if not labels.any():
        return np.empty(0), np.empty(0, dtype=np.int64)
    group, rank = (
        group_places(groups),
        np.unique(scores, return_inverse=True)[1],
    )  # ranks can be negated, unsigned scores cannot
    reached = _discounted(group, rank, _mean_of_ties(labels, rank, group), k)
    ideal = _discounted(group, labels, labels, k)
    return reached[ideal > 0] / ideal[ideal > 0], np.flatnonzero(ideal > 0)


def group_places(groups: np.ndarray) -> np.ndarray:
    """The position of each row's group among the sorted groups, (rows,) int64; rows without a group form one."""
    groups = np.asarray(groups)
    if groups.ndim != 1:
        raise ValueError(f"groups: expected one value a row; found an array of {groups.shape}")
    if groups.dtype != object:
        return np.unique(groups, return_inverse=True)[1]
    known = [None if _missing(group) else group for group in groups.tolist()]
    distinct: list[Any] = [group for group in set(known) if group is not None]
    try:
        distinct.sort()
    except TypeError:  # mixed types without a common order
        distinct.sort(key=lambda group: (type(group).__name__, repr(group)))
    place = {group: position for position, group in enumerate([*distinct, None])}
    return np.fromiter((place[group] for group in known), np.int64, len(known))


def losses(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """The negative log likelihood of each row in nats, (rows,) float64; NaN for probabilities outside 0 to 1.

    Probabilities are clipped to 1e-7 from 0 and 1.
    """
    probabilities = np.asarray(probabilities, dtype=np.float64)
    clipped = np.clip(probabilities, _SMALLEST, 1 - _SMALLEST)
    found = -(labels * np.log(clipped) + (1 - labels) * np.log1p(-clipped))
    return np.where(_no_probability(probabilities), np.nan, found)


def defined(labels: np.ndarray, scores: np.ndarray, groups: np.ndarray | None = None) -> tuple[np.ndarray, ...]:
    """The rows with a label: labels as float64, scores in their own type, and groups if given, (rows,) each.

    Raises ValueError for labels other than 0, 1 and NaN, scores that are not numbers, and other shapes.
    """
    labels, scores = _numbers(labels, "labels").astype(np.float64), _numbers(scores, "scores")
    columns = [scores] if groups is None else [scores, np.asarray(groups)]
    for column in columns:
        if labels.ndim != 1 or column.shape != labels.shape:
            raise ValueError(f"expected flat arrays of one length; found {labels.shape} labels and {column.shape}")
    keep = ~np.isnan(labels)
    strange = keep & (labels != 0) & (labels != 1)
    if strange.any():
        raise ValueError(f"labels: expected 0, 1 or NaN (no label); found {labels[strange][0]:g}")
    return (labels[keep], *(column[keep] for column in columns))


def _mean_of_ties(labels: np.ndarray, rank: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Each row's label averaged over the rows of its group with the same score: the order of ties earns nothing."""
    block = np.unique(group * (rank.max() + 1) + rank, return_inverse=True)[1]
    return (np.bincount(block, weights=labels) / np.bincount(block))[block]


def _discounted(group: np.ndarray, scores: np.ndarray, gains: np.ndarray, k: int) -> np.ndarray:
    """Discounted cumulative gain at k of every group, (groups,); rows in descending order of score."""
    order = np.lexsort((-scores, group))
    starts = np.r_[0, np.cumsum(np.bincount(group))[:-1]]
    place = np.arange(len(group)) - starts[group[order]]
    discounted = np.where(place < k, gains[order] / np.log2(place + 2), 0.0)
    return np.bincount(group[order], weights=discounted)


def _numbers(values: Any, name: str) -> np.ndarray:
    """The values as an array of numbers; None is NaN."""
    found = np.asarray(values)
    if found.dtype == object and not any(isinstance(value, str | bytes | complex) for value in found.ravel()):
        try:
            found = found.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{name}: expected numbers; found something else: {error}") from None
    if found.dtype.kind not in "biuf":
        raise ValueError(f"{name}: expected numbers; found {found.dtype}")
    return found


def _unknown(scores: np.ndarray) -> bool:
    return scores.dtype.kind == "f" and bool(np.isnan(scores).any())


def _no_probability(scores: np.ndarray) -> np.ndarray:
    """(rows,) bool: what is outside 0 to 1, or NaN."""
    return ~((scores >= 0) & (scores <= 1))


def _missing(group: Any) -> bool:
    try:
        return group is None or bool(group != group)
    except (TypeError, ValueError):  # pandas.NA
        return True
