"""Slate: the ranked candidates of one request, as the response and the served log present them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeGuard

import numpy as np

from models.impression_ids import impression_ids, slate_id
from models.time_units import iso
from serving.ranking.keys import Key
from serving.ranking.rules import Adjustments
from serving.ranking.staleness import NOTHING_STALE, Staleness

Reasons = list[list[dict[str, Any]]]
"""By candidate, from ``serving.ranking.explain``."""


class SlateIds(NamedTuple):
    """What a slate is found by."""

    request: str
    """The request's id: the caller's where that is valid. It is returned and logged; nothing depends on it."""
    call: str
    """UUID of the call, made by the server: no caller can choose or repeat it."""
    number: int = 0
    """Index of the slate in its call."""

    @property
    def slate(self) -> str:
        """The slate's id, with which the ids of its impressions begin."""
        return slate_id(self.call, self.number)


class ForeignVectors(NamedTuple):
    """Numbers of vectors of another model version."""

    member: int = 0
    """0 or 1."""
    items: int = 0


NOTHING_FOREIGN = ForeignVectors()


@dataclass(frozen=True)
class Slate:
    """The C ranked candidates of one request; every column is in ranked order."""

    ids: SlateIds
    member: Key
    surface: str
    time: int
    as_of: int
    """Time of the feature read, microseconds UTC; 0 for a fallback."""
    member_cold: bool
    model_version: str
    fallback: bool
    """Ranked by popularity, because the online store did not respond in time."""
    items: list[Key]
    cold: np.ndarray
    """(C,) bool: the item had no usable vector."""
    capped: np.ndarray
    """(C,) bool: exceeds the member's frequency cap; do not show it."""
    scores: np.ndarray
    """(C,) float64, the ranking scores: the primary task's probability times the factors of ``adjustments``."""
    propensities: np.ndarray
    """(C,) float64: the probability of each item at its rank; 1 unless the spec has ``serving.explore``."""
    adjustments: Adjustments
    """By candidate, the rules that changed its score or position (``serving.ranking.rules``)."""
    probabilities: Mapping[str, np.ndarray]
    """By task (C,) float64, calibrated; business rules do not change them."""
    features: Mapping[str, Any]
    """The decoder's inputs by name, (C,) or one value for all: counters as read, context as given; None or NaN =
    missing. They go to the served log, not to the response."""
    foreign: ForeignVectors
    """Vectors in the store that another model version made; they are treated as cold."""
    rows_ahead: int = 0
    """Number of store rows ignored because their event time is ahead of the clock."""
    stale: Staleness = NOTHING_STALE
    """Which vectors and counters are older than the spec allows; they were used all the same."""
    state_as_of: int | None = None
    """As-of time of the member's vectors, microseconds UTC; None where the member is cold."""
    latency: float | None = None
    """Seconds from the request's arrival until the slate was ranked; None where nobody measured."""
    relative: tuple[str, ...] = ()
    """Tasks whose probabilities rank, while their level means nothing (docs/negatives.md)."""
    reasons: Reasons | None = None
    """What changed each score most, where the request asked for reasons."""
    text_keys: bool = False
    """Whether a response writes integer keys as text, as the request did."""

    def item_keys(self) -> list[Key]:
        """The items as a response writes them."""
        return [*map(str, self.items)] if self.text_keys else self.items

    def impressions(self) -> list[str]:
        """The ids of the impressions, by candidate (``models.impression_ids``)."""
        return impression_ids(self.ids.slate, len(self.items))

    def to_json(self) -> dict[str, Any]:
        """Return one prediction of the v1 protocol."""
        tasks = list(self.probabilities)
        columns = (
            self.item_keys(),
            self.impressions(),
            self.scores.tolist(),
            self.propensities.tolist(),
            self.adjustments,
            self.cold.tolist(),
            self.capped.tolist(),
        )
        chances = zip(*(values.tolist() for values in self.probabilities.values()), strict=True)
        ranked: list[dict[str, Any]] = [
            {
                "item": item,
                "impression": impression,
                "score": score,
                "propensity": propensity,
                "adjustments": adjustments,
                "cold": cold,
                "capped": capped,
                "probabilities": dict(zip(tasks, chance, strict=True)),
            }
            for item, impression, score, propensity, adjustments, cold, capped, chance in zip(
                *columns, chances, strict=True
            )
        ]
        for candidate, reasons in zip(ranked, self.reasons or (), strict=self.reasons is not None):
            candidate["reasons"] = reasons
        return {
            "request_id": self.ids.request,
            "member": str(self.member) if self.text_keys else self.member,
            "model_version": self.model_version,
            "member_cold": self.member_cold,
            "fallback": self.fallback,
            "rows_ahead": self.rows_ahead,
            "stale": [*self.stale.kinds],
            "stale_items": self.stale.items,
            "state_as_of": None if self.state_as_of is None else iso(self.state_as_of),
            **({"relative": [*self.relative]} if self.relative else {}),
            "slate": ranked,
        }


def is_column(values: object) -> TypeGuard[np.ndarray]:
    """Whether a feature has one value per candidate, (C,), rather than one for all."""
    return isinstance(values, np.ndarray) and len(values) > 1
