"""Event log: the newest events of one key, as JSON stored next to its packed row under the row's key with a suffix."""

import json
from bisect import insort
from dataclasses import asdict, dataclass, field
from typing import Any

_SUFFIX = b"\xfflog"
"""No packed key has a row key as prefix and continues so: its text is UTF-8, which never contains the first byte."""


def log_key(row: bytes) -> bytes:
    """Key of the event log that belongs to the row with this key."""
    return row + _SUFFIX


def is_log(key: bytes) -> bool:
    """Whether a key is that of an event log."""
    return key.endswith(_SUFFIX)


@dataclass
class EventLog:
    """The newest events of a key since its batch row, in order. Each event is a list that starts with its time.

    Times are microseconds UTC. When there are too many events, the oldest are dropped: from then on the log cannot tell
    whether an older event is a duplicate.
    """

    at: int | None = None
    """Event time of the row written with this log. A stored row with another time was written by someone else."""
    batch: int | None = None
    """Event time of the batch row that the events extend; it covers all events up to then. None = no batch row yet."""
    base: dict[str, list[Any]] = field(default_factory=dict)
    """Lists of that batch row that the events extend."""
    dropped: int | None = None
    """Newest time among the dropped events."""
    events: list[list[Any]] = field(default_factory=list)

    @classmethod
    def read(cls, text: bytes | None) -> "EventLog":
        """The inverse of ``write``; an empty log for None."""
        return cls() if text is None else cls(**json.loads(text))

    def write(self) -> bytes:
        """The log as JSON."""
        return json.dumps(asdict(self), separators=(",", ":")).encode()

    def forget_after(self, latest: int) -> list[list[Any]]:
        """Remove events and a batch row later than ``latest`` (they were ahead of the clock); return those events."""
        removed = [event for event in self.events if event[0] > latest]
        self.events = [event for event in self.events if event[0] <= latest]
        if self.batch is not None and self.batch > latest:
            self.batch, self.base = None, {}
        if self.dropped is not None and self.dropped > latest:
            self.dropped = None
        return removed

    def is_in_batch(self, time: int) -> bool:
        """Whether the batch row covers that time."""
        return self.batch is not None and time <= self.batch

    def is_forgotten(self, time: int) -> bool:
        """Whether an event of that time may have been dropped."""
        return self.dropped is not None and time <= self.dropped

    def add(self, event: list[Any]) -> None:
        """Insert the event in order."""
        insort(self.events, event)

    def trim(self, most: int, kind: int, kept: int) -> None:
        """Drop the oldest events down to ``most``, except the newest ``kept`` with ``event[1] >= kind``."""
        over = len(self.events) - most
        if over <= 0:
            return
        of_kind = [place for place, event in enumerate(self.events) if event[1] >= kind]
        protected = set(of_kind[-kept:] if kept else [])
        leaving = [place for place in range(len(self.events)) if place not in protected][:over]
        if leaving:
            newest = max(self.events[place][0] for place in leaving)
            self.dropped = newest if self.dropped is None else max(self.dropped, newest)
        gone = set(leaving)
        self.events = [event for place, event in enumerate(self.events) if place not in gone]

    def restart(self, batch: int, base: dict[str, list[Any]]) -> None:
        """Start from a batch row of time ``batch``, which covers everything up to that time."""
        self.batch, self.base = batch, base
        self.events = [event for event in self.events if event[0] > batch]
        if self.dropped is not None and self.dropped <= batch:
            self.dropped = None
