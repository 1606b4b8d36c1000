"""Curves of one scorer for plots: reliability and ROC."""

from typing import Any

import numpy as np

from models import metrics


def reliability(labels: np.ndarray, probabilities: np.ndarray, bins: int = 10) -> list[dict[str, Any]]:
    """Mean prediction and observed rate in ``bins`` bins of equally many rows, ordered by prediction.

    ``labels`` and ``probabilities`` are (rows,); rows without a label are left out. Rows of equal probability that
    span several bins are shared among them, as in ``models.metrics.ece``. Returns [] without rows, or if a labeled row
    has no probability.
    """
    labels, probabilities = metrics.defined(labels, probabilities)
    if np.isnan(probabilities).any() or not len(labels):
        return []
    distinct, rank, rows = np.unique(probabilities.astype(np.float64), return_inverse=True, return_counts=True)
    part, shares = metrics.score_bins(rows, bins)
    sums = (np.bincount(part, weights=found) for found in (rows, rows * distinct, np.bincount(rank, weights=labels)))
    return [
        {"predicted": float(predicted / size), "observed": float(positive / size), "rows": round(float(size))}
        for size, predicted, positive in zip(*(shares @ found for found in sums), strict=True)
    ]


def roc(labels: np.ndarray, scores: np.ndarray, points: int = 101) -> dict[str, list[float]]:
    """At most ``points`` corners of the ROC curve, from (0, 0) to (1, 1), with the threshold of each.

    ``labels`` and ``scores`` are (rows,); rows without a label are left out. Rows of equal score are one step. Returns
    empty lists if a class is missing or a labeled row has no score.
    """
    labels, scores = metrics.defined(labels, scores)
    scores = scores.astype(np.float64)
    positives, negatives = float((labels == 1).sum()), float((labels == 0).sum())
    if positives == 0 or negatives == 0 or np.isnan(scores).any():
        return {"false_positive_rate": [], "true_positive_rate": [], "threshold": []}
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    last = np.r_[np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1]  # last row of each group of equal scores
    true_rate = np.r_[0.0, np.cumsum(labels[order] == 1)[last] / positives]
    false_rate = np.r_[0.0, np.cumsum(labels[order] == 0)[last] / negatives]
    threshold = np.r_[ranked[0], ranked[last]]
    corners = np.unique(np.linspace(0, len(true_rate) - 1, points).round().astype(np.int64))
    return {
        "false_positive_rate": false_rate[corners].tolist(),
        "true_positive_rate": true_rate[corners].tolist(),
        "threshold": threshold[corners].tolist(),
    }
