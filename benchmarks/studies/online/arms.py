"""The arms: which model an arm has on a day, and as of when its vectors are."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["cross", "single", "floor"]


@dataclass(frozen=True)
class Arm:
    """One arm of the test."""

    name: str
    about: str
    kind: Kind = "cross"
    """What is trained: the ranker on all domains, the ranker on the home domain's edges, or trees on counters."""
    trained_every: int | None = 7
    """Days from one training to the next; None = trained once, before the first day."""
    refreshed_every: int = 1
    """Days from one refresh of the vectors to the next."""

    def training_day(self, day: int) -> int:
        """The day, counted from the first served one, before whose first session the arm's model was trained."""
        return 0 if self.trained_every is None else day - day % self.trained_every

    def vectors_day(self, day: int) -> int:
        """The day at whose first midnight the arm's vectors were made; a new model comes with new vectors."""
        return max(day - day % self.refreshed_every, self.training_day(day))


ARMS = (
    Arm("cross", "all domains, trained every week, vectors of the day"),
    Arm("single", "the home domain's edges alone, otherwise the same", kind="single"),
    Arm("floor", "trees on counters, trained every week", kind="floor"),
    Arm("weekly vectors", "all domains, trained every week, vectors as old as the model", refreshed_every=7),
    Arm("left alone", "all domains, trained once, vectors of the day", trained_every=None),
)
REFERENCE = ARMS[0].name
"""The arm that every other one is compared with."""
