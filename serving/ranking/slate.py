"""What is answered: the candidates in ranked order."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeGuard

import numpy as np

from serving.ranking.request import Key
from serving.ranking.rules import Adjustments

Reasons = list[list[dict[str, Any]]]
"""By candidate, as ``serving.ranking.explain`` gives them."""


@dataclass(frozen=True)
class Slate:
    """The C ranked candidates of one request: every column stands in ranked order."""

    request_id: str
    member: Key
    surface: str
    time: int
    as_of: int
    """The moment that the features were judged at, microseconds UTC; 0 of a fallback."""
    member_cold: bool
    model_version: str
    fallback: bool
    """Ranked by popularity, since the online store did not answer in time."""
    items: list[Key]
    cold: np.ndarray
    """(C,) bool: scored without a vector of its own."""
    capped: np.ndarray
    """(C,) bool: beyond the member's frequency cap, not to be shown."""
    scores: np.ndarray
    """(C,) float64, what they were ranked by: the primary task's probability times the factors of ``adjustments``."""
    adjustments: Adjustments
    """By candidate, the rules that changed its score or place (``serving.ranking.rules``)."""
    probabilities: Mapping[str, np.ndarray]
    """By task (C,) float64, calibrated; business rules do not change them."""
    features: Mapping[str, Any]
    """The decoder's inputs by name, (C,) or one value for all: counters as read, context as given; None or NaN =
    missing. For the served log, not for the answer."""
    foreign_vectors: int
    """Vectors found in the store but made by another model version: treated as cold."""
    rows_ahead: int = 0
    """Rows of the store that were left out since they lie ahead of the clock: counters or vectors are missing."""
    state_as_of: int | None = None
    """The moment of the member's vectors, microseconds UTC; None where the member is cold."""
    reasons: Reasons | None = None
    """What moved the scores most, where that was asked."""

    def to_json(self) -> dict[str, Any]:
        """As one prediction of the v1 protocol."""
        tasks = list(self.probabilities)
        columns = (self.items, self.scores.tolist(), self.adjustments, self.cold.tolist(), self.capped.tolist())
        chances = zip(*(values.tolist() for values in self.probabilities.values()), strict=True)
        ranked: list[dict[str, Any]] = [
            {
                "item": item,
                "score": score,
                "adjustments": adjustments,
                "cold": cold,
                "capped": capped,
                "probabilities": dict(zip(tasks, chance, strict=True)),
            }
            for item, score, adjustments, cold, capped, chance in zip(*columns, chances, strict=True)
        ]
        for candidate, reasons in zip(ranked, self.reasons or (), strict=self.reasons is not None):
            candidate["reasons"] = reasons
        return {
            "request_id": self.request_id,
            "member": self.member,
            "model_version": self.model_version,
            "member_cold": self.member_cold,
            "fallback": self.fallback,
            "rows_ahead": self.rows_ahead,
            "state_as_of": None if self.state_as_of is None else _text(self.state_as_of),
            "slate": ranked,
        }


def is_column(values: object) -> TypeGuard[np.ndarray]:
    """Whether a feature differs by candidate, rather than being one value for all."""
    return isinstance(values, np.ndarray) and len(values) > 1


def _text(moment: int) -> str:
    """Microseconds UTC as ISO-8601."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=moment)).isoformat()
