"""Two curves of one scorer, for people to look at: reliability and ROC."""

from typing import Any

import numpy as np


def reliability(labels: np.ndarray, probabilities: np.ndarray, bins: int = 10) -> list[dict[str, Any]]:
    """Mean prediction and observed rate in ``bins`` bins of equally many rows, from low to high; [] without rows.

    ``labels`` and ``probabilities`` are (rows,); rows in which either is NaN are left out.
    """
    keep = ~(np.isnan(labels) | np.isnan(probabilities))
    labels, probabilities = labels[keep], probabilities[keep]
    order = np.argsort(probabilities, kind="stable")
    return [
        {"predicted": float(probabilities[part].mean()), "observed": float(labels[part].mean()), "rows": len(part)}
        for part in np.array_split(order, bins)
        if len(part)
    ]


def roc(labels: np.ndarray, scores: np.ndarray, points: int = 101) -> dict[str, list[float]]:
    """At most ``points`` corners of the ROC curve, from (0, 0) to (1, 1), with the threshold that reaches each.

    ``labels`` and ``scores`` are (rows,). Empty lists where a class is missing. Rows of equal score are one step.
    """
    positives, negatives = float((labels == 1).sum()), float((labels == 0).sum())
    if positives == 0 or negatives == 0:
        return {"false_positive_rate": [], "true_positive_rate": [], "threshold": []}
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    last = np.r_[np.flatnonzero(np.diff(ranked)), len(ranked) - 1]  # last row of each run of equal scores
    true_rate = np.r_[0.0, np.cumsum(labels[order] == 1)[last] / positives]
    false_rate = np.r_[0.0, np.cumsum(labels[order] == 0)[last] / negatives]
    threshold = np.r_[ranked[0], ranked[last]]
    corners = np.unique(np.linspace(0, len(true_rate) - 1, points).round().astype(np.int64))
    return {
        "false_positive_rate": false_rate[corners].tolist(),
        "true_positive_rate": true_rate[corners].tolist(),
        "threshold": threshold[corners].tolist(),
    }
