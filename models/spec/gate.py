"""Bounds of the promotion gate."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from models.spec.base import Allowed, Name, StrictModel

_LOWEST, _HIGHEST = 1e-3, 1e3


def _check_ratios(value: list[float]) -> list[float]:
    if not (len(value) == 2 and _LOWEST <= value[0] <= 1 <= value[1] <= _HIGHEST):
        raise ValueError(
            f"expected two numbers around 1, such as [0.8, 1.25], from {_LOWEST:g} to {_HIGHEST:g}; found {value}"
        )
    return value


Ratios = Annotated[
    list[float],
    AfterValidator(_check_ratios),
    Allowed(f"two numbers: {_LOWEST:g} to 1, then 1 to {_HIGHEST:,g}"),
]
"""Lowest and highest allowed ratio."""
AucLoss = Annotated[float, Field(ge=0, lt=0.5)]
"""A difference of two AUCs."""
CalibrationError = Annotated[float, Field(gt=0, le=1)]
"""An expected calibration error."""


class TaskBounds(StrictModel):
    """Bounds of one task; each replaces the gate's bound for that task."""

    margin: AucLoss | None = Field(
        default=None,
        description="Largest AUC loss of this task, which must not be the primary one. None = `gate.other_margin`.",
        examples=[0.02],
    )
    ece: CalibrationError | None = Field(
        default=None,
        description="Largest expected calibration error of this task. None = `gate.ece`.",
        examples=[0.1],
    )
    mean_ratio: Ratios | None = Field(
        default=None,
        description="Lowest and highest ratio of predicted to observed positives of this task. None = "
        "`gate.mean_ratio`.",
        examples=[[0.7, 1.4]],
    )


class Gate(StrictModel):
    """When a candidate may serve: not worse than earlier versions, above the floor, and calibrated on every task."""

    margin: AucLoss = Field(
        default=0.002,
        description="Largest AUC loss of the primary task, against the champion and each version of `best_of`. The "
        "candidate is held where the one-sided lower bound of the difference is below minus this. Smaller is stricter.",
        examples=[0.001],
    )
    confidence: float = Field(
        default=0.95,
        gt=0.5,
        lt=1,
        description="Confidence of the gate's bounds on differences and calibration, a probability. A higher value "
        "needs more evidence that the primary task is not worse, so the gate is stricter there; for other tasks and "
        "calibration it needs more evidence that they are worse, so the gate is more lenient there.",
        examples=[0.9],
    )
    bootstraps: int = Field(
        default=200,
        ge=50,
        le=10_000,
        description="Bootstrap draws of members behind every interval. More draws give steadier bounds and take "
        "proportionally longer.",
        examples=[1000],
    )
    floor: Literal["trees"] = Field(
        default="trees",
        description="Baseline that a candidate must not be below: gradient-boosted trees on all features but vectors, "
        "tuned on validate; the product's own where it has any.",
    )
    floor_margin: AucLoss = Field(
        default=0.002,
        description="How far the candidate's AUC of the primary task may be below the floor's. 0 = not at all.",
        examples=[0.0],
    )
    best_of: int = Field(
        default=5,
        ge=1,
        le=20,
        description="Number of promoted versions that a candidate is compared with: the champion, the best so far, "
        "then the latest. 1 = only the champion, against which small losses add up over promotions.",
        examples=[3],
    )
    other_margin: AucLoss = Field(
        default=0.01,
        description="Largest AUC loss of a task that is not the primary one. The candidate is held where the "
        "one-sided upper bound of the difference is below minus this.",
        examples=[0.02],
    )
    ece: CalibrationError = Field(
        default=0.05,
        description="Largest expected calibration error of a task, beyond what chance explains. Smaller is stricter.",
        examples=[0.03],
    )
    mean_ratio: Ratios = Field(
        default=[0.8, 1.25],
        description="Lowest and highest sum of the probabilities divided by the sum of the labels, for every task. "
        "The candidate is held where the whole interval is outside.",
        examples=[[0.9, 1.1]],
    )
    surface_ratio: Ratios = Field(
        default=[0.5, 2.0],
        description="The same ratio of the primary task on each surface by itself.",
        examples=[[0.7, 1.4]],
    )
    refit: bool = Field(
        default=False,
        description="Whether a promoted model is trained once more, on the gate window's days too except the last, "
        "which checks the new weights; they serve where they pass, and the judged weights stay in the bundle. Needs a "
        "gate window of two days or more.",
        examples=[True],
    )
    tasks: dict[Name, TaskBounds] = Field(
        default={},
        description="Task -> bounds that replace those above for that task.",
        examples=[{"engage": {"margin": 0.02}}],
    )

    def ece_of(self, task: str) -> float:
        """The largest expected calibration error of a task."""
        own = self.tasks[task].ece if task in self.tasks else None
        return self.ece if own is None else own

    def ratio_of(self, task: str) -> list[float]:
        """The lowest and highest mean ratio of a task."""
        own = self.tasks[task].mean_ratio if task in self.tasks else None
        return own or self.mean_ratio

    def margin_of(self, task: str) -> float:
        """The largest AUC loss of a task that is not the primary one."""
        own = self.tasks[task].margin if task in self.tasks else None
        return self.other_margin if own is None else own
