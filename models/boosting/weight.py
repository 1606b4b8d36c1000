"""The weight of the trees in the mean of both logits, where the spec leaves it to the validation rows."""

import numpy as np

from models.calibration import fit_platt

MEAN = 0.5
"""The weight of the plain mean."""
WEIGHTS = tuple(step / 20 for step in range(21))


def fit_weight(network: np.ndarray, trees: np.ndarray, labels: np.ndarray, members: np.ndarray) -> float:
    """The weight nearest to the plain mean that is not worse than the best one, for one task.

    ``network`` and ``trees`` (n,) logits of rows that neither was fitted to, ``labels`` (n,) 0 or 1, NaN = undefined,
    ``members`` (n,) int64 of 0 or more. Not worse: the calibrated log loss is above the best weight's by at most one
    standard error of that difference (the one-standard-error rule, Breiman et al. 1984; here over members, since a
    member's rows are alike). So the noise of a few validation days does not move the weight, and a part that is far
    behind the other loses its say. Without rows of both classes: the plain mean.
    """
    defined = ~np.isnan(labels)
    network, trees, labels = network[defined].astype(np.float64), trees[defined].astype(np.float64), labels[defined]
    if len(np.unique(labels)) < 2:
        return MEAN
    best = min(WEIGHTS, key=lambda weight: _losses(network, trees, labels, weight).mean())
    least, place = _losses(network, trees, labels, best), np.unique(members[defined], return_inverse=True)[1]

    def not_worse(weight: float) -> bool:
        more = _losses(network, trees, labels, weight) - least
        by_member = np.bincount(place, more - more.mean())
        return bool(more.sum() <= np.sqrt((by_member**2).sum()))

    return min(filter(not_worse, WEIGHTS), key=lambda weight: abs(weight - MEAN))


def _losses(network: np.ndarray, trees: np.ndarray, labels: np.ndarray, weight: float) -> np.ndarray:
    """(n,) the log loss of each row, calibrated on these rows."""
    logits = (1 - weight) * network + weight * trees
    platt = fit_platt(logits, labels)
    scaled = platt.scale * logits + platt.shift
    found: np.ndarray = np.logaddexp(0, scaled) - labels * scaled
    return found
