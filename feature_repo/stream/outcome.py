"""What became of pushed rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass
class Outcome:
    """Rows by what they did; a row with a late event is late, else new if any of its events is."""

    rows: int = 0
    new: int = 0
    duplicates: int = 0
    """Every event of the row was there already."""
    late: int = 0
    """An event of the row was too old to be told from a duplicate, or is in a materialised row already."""
    unused: int = 0
    """No counter and no edge keeps the row."""

    def add(self, other: "Outcome") -> None:
        """Count another outcome into this one."""
        for name in ("rows", "new", "duplicates", "late", "unused"):
            setattr(self, name, getattr(self, name) + getattr(other, name))


_collected: ContextVar[Outcome | None] = ContextVar("collected", default=None)


@contextmanager
def collecting() -> Iterator[Outcome]:
    """Sum up what happens to all rows that this thread pushes inside: Feast's own push returns nothing."""
    outcome = Outcome()
    token = _collected.set(outcome)
    try:
        yield outcome
    finally:
        _collected.reset(token)


def collect(outcome: Outcome) -> None:
    """Tell whoever collects."""
    collected = _collected.get()
    if collected is not None:
        collected.add(outcome)
