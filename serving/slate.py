"""What is answered: the candidates in ranked order."""

from dataclasses import dataclass
from typing import Any

from serving.request import Key


@dataclass(frozen=True)
class RankedItem:
    """One candidate; ``cold`` says that it was scored without a vector of its own."""

    item: Key
    cold: bool
    probabilities: dict[str, float]
    features: dict[str, Any]
    """The decoder's inputs: counters as read, context as given. For the served log, not for the answer."""


@dataclass(frozen=True)
class Slate:
    """The ranked candidates of one request."""

    member: Key
    surface: str
    time: int
    member_cold: bool
    model_version: str
    items: tuple[RankedItem, ...]
    foreign_vectors: int
    """Vectors found in the store but made by another model version: treated as cold."""

    def to_json(self) -> dict[str, Any]:
        """As one prediction of the v1 protocol."""
        return {
            "member": self.member,
            "model_version": self.model_version,
            "member_cold": self.member_cold,
            "slate": [
                {"item": ranked.item, "cold": ranked.cold, "probabilities": ranked.probabilities}
                for ranked in self.items
            ],
        }
