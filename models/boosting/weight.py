"""The weight of the trees in the mean of both logits, where the spec leaves it to the validation rows."""

import numpy as np

from models.calibration import fit_platt

MEAN = 0.5
"""The weight of the plain mean."""
WEIGHTS = np.linspace(0.0, 1.0, 21)


def fit_weight(network: np.ndarray, trees: np.ndarray, labels: np.ndarray) -> float:
    """The weight nearest to the plain mean that is not worse than the best one, for one task.

    ``network`` and ``trees`` (n,) logits of rows that neither has seen, ``labels`` (n,) 0 or 1, NaN = undefined. Not
    worse: the calibrated log loss is above the best weight's by at most one standard error of that difference (the
    one-standard-error rule, Breiman et al. 1984). So the noise of a few validation days does not move the weight, and a
    part that is far behind the other loses its say. Without rows of both classes: the plain mean.
    """
    defined = ~np.isnan(labels)
    network, trees, labels = network[defined].astype(np.float64), trees[defined], labels[defined]
    if len(np.unique(labels)) < 2:
        return MEAN
    losses = np.stack([_losses((1 - weight) * network + weight * trees, labels) for weight in WEIGHTS])
    more = losses - losses[losses.mean(axis=1).argmin()]
    good = WEIGHTS[more.mean(axis=1) <= more.std(axis=1) / np.sqrt(len(labels))]
    return float(round(good[np.abs(good - MEAN).argmin()], 2))


def _losses(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(n,) the log loss of each row, calibrated on these rows."""
    platt = fit_platt(logits, labels)
    scaled = platt.scale * logits + platt.shift
    found: np.ndarray = np.logaddexp(0, scaled) - labels * scaled
    return found
