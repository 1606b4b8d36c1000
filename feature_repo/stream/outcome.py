"""What became of pushed rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass
class Outcome:
    """Row counts. A row with a late event is late; otherwise it is new if any of its events is new."""

    rows: int = 0
    new: int = 0
    duplicates: int = 0
    """All events of the row were already known."""
    late: int = 0
    """An event of the row is too old to be distinguished from a duplicate, or is already in a materialized row."""
    unused: int = 0
    """No counter and no activity edge keeps the row."""

    def add(self, other: "Outcome") -> None:
        """Add the counts of another outcome."""
        for name in ("rows", "new", "duplicates", "late", "unused"):
            setattr(self, name, getattr(self, name) + getattr(other, name))


_collected: ContextVar[Outcome | None] = ContextVar("collected", default=None)


@contextmanager
def collecting() -> Iterator[Outcome]:
    """Sum the outcomes of all rows that this thread pushes within the block: Feast's own push returns nothing."""
    outcome = Outcome()
    token = _collected.set(outcome)
    try:
        yield outcome
    finally:
        _collected.reset(token)


def collect(outcome: Outcome) -> None:
    """Add an outcome to the enclosing ``collecting`` block, if there is one."""
    collected = _collected.get()
    if collected is not None:
        collected.add(outcome)
