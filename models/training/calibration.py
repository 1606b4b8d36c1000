"""Platt scaling: probability = sigmoid(scale * logit + shift), one pair per task (Platt 1999).

Two numbers suffice: networks trained on log loss are mostly off by a scale and a shift (Guo et al. 2017), the ranking
stays as it is, and a validation window is small. Isotonic regression would fit more numbers to the same few rows.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

_STEPS = 50
_SMALLEST_SCALE = 1e-3


@dataclass(frozen=True)
class Platt:
    """One task's calibration. ``scale`` is above 0, so it never changes a ranking."""

    scale: float = 1.0
    shift: float = 0.0

    def apply(self, logits: np.ndarray) -> np.ndarray:
        """Logits of any shape -> probabilities of the same shape, float64."""
        return 1 / (1 + np.exp(-np.maximum(self.scale * logits.astype(np.float64) + self.shift, -60)))


def fit_platt(logits: np.ndarray, labels: np.ndarray) -> Platt:
    """Fit on ``logits`` and ``labels`` (n,), NaN = undefined, by Newton's method; the identity for one class."""
    defined = ~np.isnan(labels)
    x, y = logits[defined].astype(np.float64), labels[defined].astype(np.float64)
    positive, negative = float(y.sum()), float((1 - y).sum())
    if not positive or not negative:
        return Platt()
    # Platt's targets: a little inside 0 and 1, so that the scale stays finite on separable rows.
    target = np.where(y > 0, (positive + 1) / (positive + 2), 1 / (negative + 2))
    center, spread = float(x.mean()), float(x.std()) or 1.0
    design = np.stack([(x - center) / spread, np.ones_like(x)], axis=1)
    weights = np.array([0.0, np.log(positive / negative)])  # start without the logits, where Newton's method is safe
    loss = _loss(design @ weights, target)
    for _ in range(_STEPS):
        chance = Platt().apply(design @ weights)
        gradient = design.T @ (chance - target)
        curvature = design.T @ (design * (chance * (1 - chance))[:, None]) + 1e-9 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        while (found := _loss(design @ (weights - step), target)) > loss and np.abs(step).max() > 1e-10:
            step = step / 2
        weights, loss = weights - step, min(loss, found)
        if np.abs(step).max() < 1e-10:
            break
    weights = np.array([weights[0] / spread, weights[1] - weights[0] * center / spread])
    if weights[0] < _SMALLEST_SCALE:  # uninformative logits: keep their order, at about the base rate
        return Platt(_SMALLEST_SCALE, float(np.log(positive / negative) - _SMALLEST_SCALE * x.mean()))
    return Platt(float(weights[0]), float(weights[1]))


def _loss(logits: np.ndarray, target: np.ndarray) -> float:
    """Mean negative log likelihood."""
    return float(np.mean(np.logaddexp(0, logits) - target * logits))


@dataclass(frozen=True)
class Calibration:
    """A ``Platt`` per task, by the task's name, in the order of the logits' columns."""

    tasks: dict[str, Platt]

    @classmethod
    def none(cls, tasks: list[str]) -> "Calibration":
        """The identity."""
        return cls({task: Platt() for task in tasks})

    @classmethod
    def fit(cls, tasks: list[str], logits: np.ndarray, labels: np.ndarray) -> "Calibration":
        """Fit every task on ``logits`` and ``labels`` (n, tasks), NaN = undefined."""
        return cls({task: fit_platt(logits[:, place], labels[:, place]) for place, task in enumerate(tasks)})

    def apply(self, logits: np.ndarray) -> np.ndarray:
        """(..., tasks) logits -> (..., tasks) probabilities, float64."""
        columns = [platt.apply(logits[..., place]) for place, platt in enumerate(self.tasks.values())]
        return np.stack(columns, axis=-1)

    def to_json(self) -> dict[str, Any]:
        """As a JSON document; the tasks are a list, since their order is that of the logits."""
        return {"method": "platt", "tasks": [{"task": task, **asdict(platt)} for task, platt in self.tasks.items()]}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Calibration":
        """Back from JSON."""
        return cls({entry["task"]: Platt(entry["scale"], entry["shift"]) for entry in document["tasks"]})
