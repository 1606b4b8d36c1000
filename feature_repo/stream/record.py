"""What the stream remembers beside a packed row: JSON under the row's own key with a suffix."""

import json
from bisect import insort
from dataclasses import asdict, dataclass, field
from typing import Any

_SUFFIX = b"\xfflog"
"""No packed key goes on like this: texts are UTF-8, in which the first byte does not occur."""


def record_key(row: bytes) -> bytes:
    """The key of the record beside a row."""
    return row + _SUFFIX


def is_record(key: bytes) -> bool:
    """Whether a key is that of a record."""
    return key.endswith(_SUFFIX)


@dataclass
class Record:
    """The newest events of a key since its batch row, in their order, each a list that begins with its time.

    Events leave at the old end when there are too many: from then on an older one can no longer be told from a
    duplicate by this record.
    """

    at: int | None = None
    """The time of the row that was written beside this record; another one has come from elsewhere, and is the base."""
    batch: int | None = None
    """The time of the batch row that all events stand on (it holds what is not later); None = there was none yet."""
    base: dict[str, list[Any]] = field(default_factory=dict)
    """Lists of that batch row which the events continue."""
    dropped: int | None = None
    """The newest time among the events that had to leave."""
    events: list[list[Any]] = field(default_factory=list)

    @classmethod
    def read(cls, text: bytes | None) -> "Record":
        """What ``write`` gave; a new record where there is none."""
        return cls() if text is None else cls(**json.loads(text))

    def write(self) -> bytes:
        """The record as JSON."""
        return json.dumps(asdict(self), separators=(",", ":")).encode()

    def forget_after(self, latest: int) -> list[list[Any]]:
        """Let events later than ``latest`` (they were ahead of the clock) and a batch row of then go; those events."""
        gone = [event for event in self.events if event[0] > latest]
        self.events = [event for event in self.events if event[0] <= latest]
        if self.batch is not None and self.batch > latest:
            self.batch, self.base = None, {}
        if self.dropped is not None and self.dropped > latest:
            self.dropped = None
        return gone

    def is_in_batch(self, time: int) -> bool:
        """Whether the batch row speaks for that time."""
        return self.batch is not None and time <= self.batch

    def is_forgotten(self, time: int) -> bool:
        """Whether an event of that time may have left already."""
        return self.dropped is not None and time <= self.dropped

    def add(self, event: list[Any]) -> None:
        """Put the event in its place."""
        insort(self.events, event)

    def trim(self, most: int, kind: int, kept: int) -> None:
        """Let the oldest go down to ``most`` events, but for the newest ``kept`` with ``event[1] >= kind``."""
        over = len(self.events) - most
        if over <= 0:
            return
        of_kind = [place for place, event in enumerate(self.events) if event[1] >= kind]
        stay = set(of_kind[-kept:] if kept else [])
        leaving = [place for place in range(len(self.events)) if place not in stay][:over]
        if leaving:
            newest = max(self.events[place][0] for place in leaving)
            self.dropped = newest if self.dropped is None else max(self.dropped, newest)
        gone = set(leaving)
        self.events = [event for place, event in enumerate(self.events) if place not in gone]

    def restart(self, batch: int, base: dict[str, list[Any]]) -> None:
        """A batch row has come: it speaks for everything up to its time."""
        self.batch, self.base = batch, base
        self.events = [event for event in self.events if event[0] > batch]
        if self.dropped is not None and self.dropped <= batch:
            self.dropped = None
