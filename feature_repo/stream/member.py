"""A member's list of last activities, and the memory of which events were there already."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any, Literal

from feature_repo.pushed import EDGES, KEYS, TIMES
from feature_repo.stores.online.packed import FLAG_BATCH
from feature_repo.stream.events import Entry
from feature_repo.stream.layouts import Row
from feature_repo.stream.record import Record

EVENTS = 256
"""How many of a member's newest events its record holds: duplicates of them are known."""
Verdict = Literal["new", "duplicate", "late"]


@dataclass
class Member:
    """One member: what the store holds, and what becomes of it."""

    edges: Sequence[str]
    last: int
    row: Row | None
    record: Record

    @classmethod
    def read(cls, edges: Sequence[str], last: int, row: Row | None, record: bytes | None, latest: int) -> "Member":
        """Out of the store; ``edges`` are the names of the engagement edges in order, ``last`` the list's length.

        Activities later than ``latest`` (the clock's) are taken out of it.
        """
        member = cls(edges, last, row, Record.read(record))
        member.record.forget_after(latest)
        own = row is not None and not row.flags & FLAG_BATCH and member.record.at == row.time
        if row is not None and row.time > latest:
            values = _until(row.values, latest)
            member.row = row = Row(max(values[TIMES], default=0), 0, values)
            member.record.base = _until(member.record.base, latest) if member.record.base else {}
            member.record.at = row.time
        if row is not None and not own:
            member.rebase(row)
        return member

    def apply(self, entry: Entry) -> Verdict:
        """Note an event. ``new`` ones are the member's first of that kind; ``late`` ones are not noted."""
        event: list[Any] = list(entry)
        if self._is_known(event):
            return "duplicate"
        if self.record.is_forgotten(entry[0]):
            return "late"
        self.record.add(event)
        self.record.trim(EVENTS, 0, self.last)
        if event[1] < 0:
            return "new"
        self._write()
        return "late" if self.record.is_in_batch(entry[0]) else "new"

    def _is_known(self, event: list[Any]) -> bool:
        """Of an impression the key says which event it is: a second settled time is no second outcome."""
        if event[3] == "":
            return event in self.record.events
        return any(known[1:] == event[1:] for known in self.record.events)

    def rebase(self, batch: Row) -> bool:
        """Stand on a batch row; False if a later one is there."""
        if self.record.batch is not None and batch.time < self.record.batch:
            return False
        self.record.batch = batch.time
        self.record.base = {column: batch.values[column] or [] for column in (EDGES, KEYS, TIMES)}
        self.row, self.record.at = batch, batch.time
        self._write()
        return True

    def _write(self) -> None:
        """The list: the batch's, continued by the activities since."""
        since = [event for event in self.record.events if event[1] >= 0 and not self.record.is_in_batch(event[0])]
        if not since:
            return
        continued: dict[str, list[Any]] = {
            EDGES: [self.edges[event[1]] for event in since],
            KEYS: [str(event[2]) for event in since],
            TIMES: [event[0] for event in since],
        }
        values = {column: [*self.record.base.get(column, []), *continued[column]][-self.last :] for column in continued}
        self.row = Row(since[-1][0], 0, values)
        self.record.at = self.row.time


def _until(values: Mapping[str, Any], latest: int) -> dict[str, Any]:
    """A list of activities without those later than a moment."""
    columns = {column: values[column] or [] for column in (EDGES, KEYS, TIMES)}
    kept = [time <= latest for time in columns[TIMES]]
    return {column: [*compress(some, kept)] for column, some in columns.items()}
