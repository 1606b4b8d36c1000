"""The verdict of a monitoring run: what is wrong with a product, since when, and what to do about it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from monitoring.accepted import Accepted
from monitoring.documents import plain
from monitoring.errors import VerdictError

LAYERS = ("log", "serving", "traffic", "features", "predictions", "labels", "calibration", "ranking", "canary")
"""The monitors' layers. Each rests on those before it: the first one with an alarm names the cause."""


class State(StrEnum):
    """The state of a product, mildest first."""

    HEALTHY = "healthy"
    WATCH = "watch"
    """Something has changed that needs no action yet."""
    RECALIBRATE = "recalibrate"
    """Probabilities are off by a factor, the order is right: a new calibration of the same weights."""
    RETRAIN = "retrain"
    """The world has moved away from what the version learned."""
    ROLL_BACK = "roll_back"
    """The version that serves is worse than it was judged to be."""
    DATA_FAULT = "data_fault"
    """Input or log is broken: a person has to look, and nothing is trained on it."""


EXIT_CODES = {
    State.HEALTHY: 0,
    State.WATCH: 10,
    State.RECALIBRATE: 11,
    State.RETRAIN: 12,
    State.ROLL_BACK: 13,
    State.DATA_FAULT: 14,
}
"""Exit codes of the command line."""
ACTIONS = {
    State.HEALTHY: "nothing",
    State.WATCH: "nothing",
    State.RECALIBRATE: "recalibrate",
    State.RETRAIN: "retrain",
    State.ROLL_BACK: "roll_back",
    State.DATA_FAULT: "freeze",
}
"""What the pipeline ``act`` does; ``freeze``: no training until the fault is gone, and a page to a person."""


@dataclass(frozen=True)
class Alarm:
    """One monitor's finding."""

    layer: str
    """One of ``LAYERS``."""
    cause: str
    """``<layer>.<what>``, such as ``features.null``: a key of docs/runbook.md."""
    subject: str
    """What it is about: a column, a surface, a version, a member; "" = the product."""
    text: str
    """One sentence with figures for a person."""
    state: State
    """The state that this finding alone asks for."""
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """One verdict for a product."""

    state: State
    cause: str
    """The cause of the first layer with an alarm; "" for a healthy product."""
    since: str
    """First day (ISO-8601) on which that cause was found without a break; the judged day for a healthy product."""
    day: str
    """The newest day that was judged."""
    evidence: tuple[Alarm, ...]
    """The alarms of the first layer, worst first, then those of later layers: its consequences."""
    action: str
    """One of ``ACTIONS``'s values."""
    versions: Mapping[str, str]
    """Versions by role (champion, canary, previous) that served on that day."""
    accepted: tuple[Accepted, ...] = ()
    """Data faults that a person has accepted, for as long as limits are learned from days before them."""

    def to_json(self) -> dict[str, Any]:
        """Convert to strict JSON."""
        return plain(asdict(self))

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Verdict":
        """Read what ``to_json`` wrote. Raises VerdictError for anything else."""
        try:
            evidence = tuple(Alarm(**{**alarm, "state": State(alarm["state"])}) for alarm in document["evidence"])
            accepted = tuple(map(Accepted.from_json, document.get("accepted", ())))
            whole = {**document, "state": State(document["state"]), "evidence": evidence, "accepted": accepted}
            return cls(**whole)
        except (KeyError, TypeError, ValueError) as error:
            raise VerdictError(
                f"verdict: expected what Verdict.to_json writes; found {error}. Run monitoring"
            ) from None
