"""Platt scaling: probability = sigmoid(scale * logit + shift), one pair per task (Platt 1999).

Two numbers suffice: networks trained on log loss are mostly off by a scale and a shift (Guo et al. 2017), the ranking
stays as it is, and a validation window is small. Isotonic regression would fit more numbers to the same few rows.

Cold rows, whose item nobody has seen, have a scaling of their own where there are enough of them: nothing about the
item says how good it is, so their logits are off in another way.

Where negatives are sampled (docs/negatives.md), a task's probability on the rows to train and judge on is not the one
in the product. ``apply`` gives the product's, by an offset of the log odds; ``of_seeds().apply`` that of those rows.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

_STEPS = 50
_SMALLEST_SCALE = 1e-3
LEAST_OF_A_CLASS = 100
"""Rows of either label that a scaling of cold rows needs."""


@dataclass(frozen=True)
class Platt:
    """One task's calibration. ``scale`` is above 0, so it never changes a ranking."""

    scale: float = 1.0
    shift: float = 0.0

    def apply(self, logits: np.ndarray) -> np.ndarray:
        """Logits of any shape -> probabilities of the same shape, float64."""
        return 1 / (1 + np.exp(-np.maximum(self.scale * logits.astype(np.float64) + self.shift, -60)))

    def moved(self, offset: float) -> "Platt":
        """This scaling, then ``offset`` more of the log odds."""
        return replace(self, shift=self.shift + offset) if offset else self

    def then(self, other: "Platt") -> "Platt":
        """This scaling, then ``other`` on the logits of its probabilities."""
        return Platt(other.scale * self.scale, other.scale * self.shift + other.shift)


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
    """A ``Platt`` per task, by the task's name, in the order of the logits' columns; for cold rows another one."""

    tasks: dict[str, Platt]
    cold: dict[str, Platt] = field(default_factory=dict)
    """By task: the scaling of cold rows (``models.training.cold``). The other tasks' use ``tasks``."""
    offsets: dict[str, float] = field(default_factory=dict)
    """By task whose negatives are sampled: the log odds at the real rate minus those among the sampled rows."""
    relative: tuple[str, ...] = ()
    """Tasks whose negatives are sampled and whose real rate is unknown: their probabilities only rank."""
    seeds: dict[str, Platt] = field(default_factory=dict)
    """By task whose negatives are sampled, where a correction was fitted on what was served: the scaling of the rows to
    train and judge on, which knows nothing of it."""
    cold_seeds: dict[str, Platt] = field(default_factory=dict)
    """The same of cold rows."""

    @classmethod
    def none(cls, tasks: list[str]) -> "Calibration":
        """The identity."""
        return cls({task: Platt() for task in tasks})

    @classmethod
    def fit(cls, tasks: list[str], logits: np.ndarray, labels: np.ndarray) -> "Calibration":
        """Fit every task on ``logits`` and ``labels`` (n, tasks), NaN = undefined."""
        return cls({task: fit_platt(logits[:, place], labels[:, place]) for place, task in enumerate(tasks)})

    def with_cold(self, logits: np.ndarray, labels: np.ndarray) -> "Calibration":
        """The same with a scaling of cold rows, fitted on ``logits`` and ``labels`` (n, tasks) of cold rows alone.

        A task gets one where at least ``LEAST_OF_A_CLASS`` rows have either label: its shift is then known to about a
        tenth. With fewer, the common one is nearer.
        """
        enough = [min((labels == 1)[:, place].sum(), (labels == 0)[:, place].sum()) for place in range(len(self.tasks))]
        fitted = {
            task: fit_platt(logits[:, place], labels[:, place])
            for place, task in enumerate(self.tasks)
            if enough[place] >= LEAST_OF_A_CLASS
        }
        return replace(self, cold=fitted)

    def at_rates(self, rates: Mapping[str, float | None], labels: np.ndarray) -> "Calibration":
        """The same for tasks whose negatives are sampled, with their real rates; None = unknown.

        ``labels`` (n, tasks): those of the rows it was fitted on, NaN = undefined. Sampling keeps every positive and
        each negative with the same chance w, so it divides the odds of a row by w: with a share s of positives among
        the rows and a real rate r, log w = logit(r) - logit(s), which is the offset.
        """
        offsets, relative = {}, []
        for place, task in enumerate(self.tasks):
            known = labels[~np.isnan(labels[:, place]), place]
            share = float(known.mean()) if len(known) else 0.0
            if (rate := rates.get(task)) is not None and 0 < share < 1:
                offsets[task] = float(np.log(rate / (1 - rate)) - np.log(share / (1 - share)))
            elif task in rates:
                relative.append(task)
        return replace(self, offsets=offsets, relative=tuple(relative))

    def of_seeds(self) -> "Calibration":
        """The calibration for the rows to train and judge on, with their share of positives."""
        if not self.offsets and not self.seeds:
            return self
        return replace(self, tasks={**self.tasks, **self.seeds}, cold={**self.cold, **self.cold_seeds}, offsets={})

    def then(self, corrections: Mapping[str, Platt]) -> "Calibration":
        """The calibration whose probabilities' logits are scaled once more, warm and cold alike, by task.

        The corrections are fitted on what was served, so a corrected task has the real rate.
        """

        def both(found: dict[str, Platt]) -> dict[str, Platt]:
            served = {task: found[task].moved(self.offsets.get(task, 0.0)) for task in found if task in corrections}
            return {**found, **{task: platt.then(corrections[task]) for task, platt in served.items()}}

        def before(found: dict[str, Platt], kept: dict[str, Platt]) -> dict[str, Platt]:
            sampled = {*self.offsets, *self.relative} & set(corrections)
            return {**{task: platt for task, platt in found.items() if task in sampled}, **kept}

        offsets = {task: offset for task, offset in self.offsets.items() if task not in corrections}
        relative = tuple(task for task in self.relative if task not in corrections)
        seeds, cold = before(self.tasks, self.seeds), before(self.cold, self.cold_seeds)
        return Calibration(both(self.tasks), both(self.cold), offsets, relative, seeds, cold)

    def apply(self, logits: np.ndarray, cold: np.ndarray | None = None) -> np.ndarray:
        """(..., tasks) logits -> (..., tasks) probabilities, float64; ``cold`` (...) bool, None = no cold rows."""
        offsets = [self.offsets.get(task, 0.0) for task in self.tasks]
        columns = [
            platt.moved(offsets[place]).apply(logits[..., place]) for place, platt in enumerate(self.tasks.values())
        ]
        if cold is not None and cold.any():
            for place, task in enumerate(self.tasks):
                if task in self.cold:
                    own = self.cold[task].moved(offsets[place])
                    columns[place] = np.where(cold, own.apply(logits[..., place]), columns[place])
        return np.stack(columns, axis=-1)

    def to_json(self) -> dict[str, Any]:
        """As a JSON document; the tasks are a list, since their order is that of the logits."""
        sets = {"tasks": self.tasks, "cold": self.cold}
        sets |= {"seeds": self.seeds, "cold_seeds": self.cold_seeds} if self.seeds else {}
        entries = {name: [{"task": task, **asdict(one)} for task, one in found.items()] for name, found in sets.items()}
        sampled = {"offsets": self.offsets, "relative": [*self.relative]} if self.offsets or self.relative else {}
        return {"method": "platt", **entries, **sampled}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Calibration":
        """Back from JSON."""
        found = (document.get(name, ()) for name in ("tasks", "cold", "seeds", "cold_seeds"))
        tasks, cold, seeds, cold_seeds = (
            {entry["task"]: Platt(entry["scale"], entry["shift"]) for entry in part} for part in found
        )
        relative = tuple(document.get("relative", ()))
        return cls(tasks, cold, document.get("offsets", {}), relative, seeds, cold_seeds)
