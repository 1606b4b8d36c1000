"""What the promotion gate asks of a candidate before it may serve."""

from typing import Literal

from pydantic import Field, field_validator

from models.spec.part import Name, Strict

_LOWEST, _HIGHEST = 1e-3, 1e3


def _range(value: list[float] | None) -> list[float] | None:
    if value is not None and not (len(value) == 2 and _LOWEST <= value[0] <= 1 <= value[1] <= _HIGHEST):
        raise ValueError(f"expected two numbers around 1, such as [0.8, 1.25]; found {value}")
    return value


class TaskBounds(Strict):
    """Bounds of one task, each in place of the gate's own where it is given."""

    margin: float | None = Field(default=None, ge=0, lt=0.5, description="of a task that is not the primary one")
    ece: float | None = Field(default=None, gt=0, le=1)
    mean_ratio: list[float] | None = None

    @field_validator("mean_ratio")
    @classmethod
    def _around_one(cls, value: list[float] | None) -> list[float] | None:
        return _range(value)


class Gate(Strict):
    """When a candidate may serve: not worse than what served before, above the floor, calibrated, on every task."""

    margin: float = Field(default=0.002, ge=0, lt=0.5, description="AUC of the primary task that may be lost, at most")
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    bootstraps: int = Field(default=200, ge=50, le=10_000)
    floor: Literal["trees"] = "trees"
    floor_margin: float = Field(
        default=0.0,
        ge=0,
        lt=0.5,
        description="AUC of the primary task that a candidate may be below the floor, at most",
    )
    best_of: int = Field(
        default=5,
        ge=1,
        le=20,
        description="promoted versions that a candidate is compared with: the champion, the best so far, the latest; "
        "1 = the champion alone, against which small losses add up",
    )
    other_margin: float = Field(default=0.01, ge=0, lt=0.5, description="AUC that any other task may lose, at most")
    ece: float = Field(default=0.05, gt=0, le=1, description="expected calibration error, at most")
    mean_ratio: list[float] = Field(
        default=[0.8, 1.25], description="sum of the probabilities over sum of the labels: lowest, highest"
    )
    surface_ratio: list[float] = Field(
        default=[0.5, 2.0], description="the same of the primary task on every surface alone"
    )
    tasks: dict[Name, TaskBounds] = Field(default={}, description="bounds of single tasks")

    @field_validator("mean_ratio", "surface_ratio")
    @classmethod
    def _around_one(cls, value: list[float] | None) -> list[float] | None:
        return _range(value)

    def ece_of(self, task: str) -> float:
        """The bound of a task's expected calibration error."""
        own = self.tasks[task].ece if task in self.tasks else None
        return self.ece if own is None else own

    def ratio_of(self, task: str) -> list[float]:
        """The bounds of a task's mean ratio: lowest, highest."""
        own = self.tasks[task].mean_ratio if task in self.tasks else None
        return own or self.mean_ratio

    def margin_of(self, task: str) -> float:
        """What a task that is not the primary one may lose."""
        own = self.tasks[task].margin if task in self.tasks else None
        return self.other_margin if own is None else own
