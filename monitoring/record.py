"""What a ledger holds, as plain data: the report is written from it alone."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

Status = Literal["running", "ok", "failed", "interrupted"]


@dataclass(frozen=True)
class Step:
    """One step of a run."""

    name: str
    status: Status
    started: int
    """Microseconds UTC."""
    seconds: float | None = None
    """None while it runs, and for ever if it was interrupted."""
    error: str | None = None
    """First line of the error that ended it."""
    attempts: int = 1
    """How often it was begun in this run."""

    def ended(self, status: Status, seconds: float, error: str | None = None) -> "Step":
        """The step once it is over."""
        return replace(self, status=status, seconds=seconds, error=error)

    def interrupted(self) -> "Step":
        """The step, known to have begun and never to have ended."""
        return replace(self, status="interrupted", error="The process ended before the step did.")

    def to_json(self) -> dict[str, Any]:
        """As a JSON document, without the name."""
        document: dict[str, Any] = {"status": self.status, "started": self.started, "attempts": self.attempts}
        if self.seconds is not None:
            document["seconds"] = round(self.seconds, 3)
        if self.error is not None:
            document["error"] = self.error
        return document

    @classmethod
    def from_json(cls, name: str, document: dict[str, Any]) -> "Step":
        """Back from JSON."""
        return cls(name=name, **document)


@dataclass(frozen=True)
class LedgerRecord:
    """Everything that a run left behind."""

    run: str
    experiment: str
    tracking_uri: str
    mlflow_run: str
    started: int
    """Microseconds UTC."""
    steps: list[Step] = field(default_factory=list)
    """In the order in which they began."""
    metrics: dict[str, float] = field(default_factory=dict)
    curves: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    """Training curves: (step, value), by name."""
    notes: dict[str, Any] = field(default_factory=dict)
    artifacts: dict[str, Path] = field(default_factory=dict)
    """Local copies, by the name under which each was kept."""

    @property
    def failure(self) -> Step | None:
        """The first step that failed or was interrupted; None if there is none."""
        return next((step for step in self.steps if step.status in ("failed", "interrupted")), None)
