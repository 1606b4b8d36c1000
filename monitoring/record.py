"""The content of a ledger as plain data, from which the report is written."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

Status = Literal["running", "ok", "failed", "interrupted", "cached"]


@dataclass(frozen=True)
class Step:
    """One step of a run."""

    name: str
    status: Status
    started: int
    """Microseconds UTC."""
    seconds: float | None = None
    """None while it runs and if it was interrupted."""
    error: str | None = None
    """First line of the error that ended it."""
    attempts: int = 1
    """How often it was started in this run."""

    def ended(self, status: Status, seconds: float, error: str | None = None) -> "Step":
        """A copy that has ended."""
        return replace(self, status=status, seconds=seconds, error=error)

    def interrupted(self) -> "Step":
        """A copy that started and never ended."""
        return replace(self, status="interrupted", error="The process ended before the step did.")

    def to_json(self) -> dict[str, Any]:
        """Convert to a JSON document without the name."""
        document: dict[str, Any] = {"status": self.status, "started": self.started, "attempts": self.attempts}
        if self.seconds is not None:
            document["seconds"] = round(self.seconds, 3)
        if self.error is not None:
            document["error"] = self.error
        return document

    @classmethod
    def from_json(cls, name: str, document: dict[str, Any]) -> "Step":
        """Read ``to_json``'s document."""
        return cls(name=name, **document)


@dataclass(frozen=True)
class LedgerRecord:
    """Everything that the ledger holds of a run."""

    run: str
    experiment: str
    tracking_uri: str
    mlflow_run: str
    started: int
    """Microseconds UTC."""
    steps: list[Step] = field(default_factory=list)
    """In order of their start."""
    metrics: dict[str, float] = field(default_factory=dict)
    curves: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    """Training curves: (step, value), by name."""
    notes: dict[str, Any] = field(default_factory=dict)
    artifacts: dict[str, Path] = field(default_factory=dict)
    """Local copies by artifact name."""

    @property
    def failure(self) -> Step | None:
        """The first step that failed or was interrupted; None if there is none."""
        return next((step for step in self.steps if step.status in ("failed", "interrupted")), None)

    def with_cached(self, expected: Sequence[str]) -> "LedgerRecord":
        """A copy with the steps of ``expected`` that are missing although a later one of them began, as ``cached``.

        ``expected``: the names of the steps that every run of the pipeline has, in their order. KFP does not start a
        step whose outputs it takes from an earlier run, so that the ledger knows nothing of it.
        """
        steps = list(self.steps)
        at = len(steps)
        for name in reversed(expected):
            found = next((index for index, step in enumerate(steps) if step.name == name), None)
            if found is not None:
                at = found
            elif at < len(steps):
                steps.insert(at, Step(name, "cached", steps[at].started))
        return replace(self, steps=steps)
