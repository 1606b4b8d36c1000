"""Stream state of one member: the list of last activities, and a log of known events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any, Literal

from feature_repo.packed.pack import FLAG_BATCH
from feature_repo.stream.event_log import EventLog
from feature_repo.stream.events import Entry
from feature_repo.stream.packed_rows import Row
from feature_repo.views.pushed import EDGES, KEYS, TIMES

EVENTS = 256
"""How many of a member's newest events the log keeps: duplicates of them are recognized."""
Verdict = Literal["new", "duplicate", "late"]


@dataclass
class MemberState:
    """One member's stored row and event log, and their changes."""

    edges: Sequence[str]
    last: int
    row: Row | None
    log: EventLog

    @classmethod
    def read(cls, edges: Sequence[str], last: int, row: Row | None, log: bytes | None, latest: int) -> "MemberState":
        """Read from the store; ``edges`` are the names of the activity edges by place, ``last`` the list's length.

        Activities later than ``latest`` (microseconds UTC, from the clock) are removed.
        """
        member = cls(edges, last, row, EventLog.read(log))
        member.log.forget_after(latest)
        own = row is not None and not row.flags & FLAG_BATCH and member.log.at == row.time
        if row is not None and row.time > latest:
            values = _until(row.values, latest)
            member.row = row = Row(max(values[TIMES], default=0), 0, values)
            member.log.base = _until(member.log.base, latest) if member.log.base else {}
            member.log.at = row.time
        if row is not None and not own:
            member.rebase(row)
        return member

    def apply(self, entry: Entry) -> Verdict:
        """Add an event. ``new``: seen for the first time; ``late``: too old to add, or covered by the batch row."""
        event: list[Any] = list(entry)
        if self._is_known(event):
            return "duplicate"
        if self.log.is_forgotten(entry[0]):
            return "late"
        self.log.add(event)
        self.log.trim(EVENTS, 0, self.last)
        if event[1] < 0:
            return "new"
        self._update_row()
        return "late" if self.log.is_in_batch(entry[0]) else "new"

    def _is_known(self, event: list[Any]) -> bool:
        """Events of an impression are identified by its key: a second settled time is not a second outcome."""
        if event[3] == "":
            return event in self.log.events
        return any(known[1:] == event[1:] for known in self.log.events)

    def rebase(self, batch: Row) -> bool:
        """Make a batch row the base of the events since; False if the log has a later batch row."""
        if self.log.batch is not None and batch.time < self.log.batch:
            return False
        self.log.batch = batch.time
        self.log.base = {column: batch.values[column] or [] for column in (EDGES, KEYS, TIMES)}
        self.row, self.log.at = batch, batch.time
        self._update_row()
        return True

    def _update_row(self) -> None:
        """Rebuild the list: the batch row's, followed by the activities since."""
        since = [event for event in self.log.events if event[1] >= 0 and not self.log.is_in_batch(event[0])]
        if not since:
            return
        appended: dict[str, list[Any]] = {
            EDGES: [self.edges[event[1]] for event in since],
            KEYS: [str(event[2]) for event in since],
            TIMES: [event[0] for event in since],
        }
        values = {column: [*self.log.base.get(column, []), *appended[column]][-self.last :] for column in appended}
        self.row = Row(since[-1][0], 0, values)
        self.log.at = self.row.time


def _until(values: Mapping[str, Any], latest: int) -> dict[str, Any]:
    """A list of activities without those later than ``latest``."""
    columns = {column: values[column] or [] for column in (EDGES, KEYS, TIMES)}
    kept = [time <= latest for time in columns[TIMES]]
    return {column: [*compress(some, kept)] for column, some in columns.items()}
