"""Intercepts: after a fit, each task's mean probability is the mean label of the rows that it learned from.

Dropout and the optimizer's last steps leave a shift of up to a tenth of a logit, another one in every fit. Calibration
and trees' weight are fitted on what the selection's network says, and belong to the final one's too (``fit``): that
shift must be in neither.
"""

import numpy as np
import torch
from torch import Tensor

ROWS = 20_000
"""Rows that are scored for it, at most: evenly spaced in time, so that the mean is known to about .003."""
_STEPS = 60
_FARTHEST = 20.0


def sample(rows: Tensor) -> Tensor:
    """At most ``ROWS`` of ``rows`` (n,), evenly spaced."""
    if len(rows) <= ROWS:
        return rows
    return rows[torch.linspace(0, len(rows) - 1, ROWS, dtype=torch.float64, device=rows.device).long()]


def intercepts(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(T,) float64: what to add to ``logits`` (n, T) so that mean probability and mean label (n, T) are the same.

    NaN = undefined label. 0 for a task whose labels are of one class: no number would do.
    """
    return np.array([_intercept(logits[:, place], labels[:, place]) for place in range(logits.shape[1])])


def _intercept(logits: np.ndarray, labels: np.ndarray) -> float:
    defined = ~np.isnan(labels)
    x, rate = logits[defined].astype(np.float64), labels[defined].astype(np.float64)
    if not len(rate) or not 0 < (rate := rate.mean()) < 1:
        return 0.0
    low, high = -_FARTHEST, _FARTHEST
    for _ in range(_STEPS):  # the mean probability grows with the intercept
        middle = (low + high) / 2
        mean = 0.5 + 0.5 * np.tanh((x + middle) / 2).mean()  # of the sigmoid, which overflows for far logits
        low, high = (middle, high) if mean < rate else (low, middle)
    return (low + high) / 2
