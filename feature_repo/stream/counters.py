"""Stream state of one counter key: the counter's state and its event log, under events in any order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from feature_repo.packed.pack import FLAG_BATCH
from feature_repo.stream.event_log import EventLog
from feature_repo.stream.packed_rows import Row
from models.counters.fold import CounterEvent, Settled, Shown, initial
from models.counters.insert import insert, remove
from models.counters.plan import CounterPlan

EVENTS = 128
"""How many of a key's newest events the log keeps."""
_SETTLED = 1


@dataclass
class CountedKey:
    """One counter key's stored row and event log, and their changes."""

    plan: CounterPlan
    row: Row | None
    log: EventLog
    ahead: bool = False
    """The row is ahead of the clock, and the log does not hold the events that made it so: it needs a batch row."""

    @classmethod
    def read(cls, plan: CounterPlan, row: Row | None, log: bytes | None, latest: int) -> "CountedKey":
        """Read from the store. A batch row, or a row that Feast wrote since, becomes the new base of the log.

        Events later than ``latest`` (microseconds UTC, from the clock) are removed.
        """
        key = cls(plan, row, EventLog.read(log))
        complete = key.log.dropped is None or key.log.dropped <= latest
        removed = key.log.forget_after(latest)
        if row is None:
            key.log = EventLog()
        elif row.time > latest:
            key.ahead = not (removed and complete and key.log.at == row.time and not row.flags)
            if not key.ahead:
                key._remove([_from_list(event) for event in removed], latest)
        elif row.flags & FLAG_BATCH or key.log.at != row.time:
            key._restart(row)
        return key

    def apply(self, event: CounterEvent) -> bool:
        """Count an event that is new to its member; False if the batch row already covers it."""
        if self.ahead or self.log.is_in_batch(event.time):
            return False
        self.log.add(_to_list(event))
        self._insert([event])
        self.log.trim(EVENTS, _SETTLED, self.plan.last)
        return True

    def rebase(self, batch: Row) -> bool:
        """Make a batch row the base of the events since; False if the log no longer holds all of those events.

        A key that never had a batch row always takes it: without one it lacks all history.
        """
        log = self.log
        if log.batch is not None and (batch.time < log.batch or log.is_forgotten(batch.time + 1)):
            return False
        self._restart(batch)
        return True

    def _remove(self, removed: Sequence[CounterEvent], latest: int) -> None:
        """Remove the newest events that the row counts.

        Counts stay exact. The window and the last exposure keep only what the log holds, until the next batch row.
        """
        assert self.row is not None
        state: Mapping[str, Any] = {column: _or_empty(value) for column, value in self.row.values.items()}
        remaining = [_from_list(event) for event in self.log.events]
        state = self._with_last(remove(self.plan, state, removed, remaining, latest))
        time = max([self.log.batch or 0, *(event.time for event in remaining)])
        self.row, self.log.at = Row(time, 0, state), time

    def _restart(self, batch: Row) -> None:
        lists = {column: batch.values[column] or [] for column in _last_columns(self.plan)}
        self.log.restart(batch.time, lists)
        self.row = Row(batch.time, batch.flags, {column: _or_empty(batch.values[column]) for column in batch.values})
        self.log.at, self.ahead = batch.time, False
        if self.log.events:
            self._insert([_from_list(event) for event in self.log.events])

    def _insert(self, events: Sequence[CounterEvent]) -> None:
        state: Mapping[str, Any] = self.row.values if self.row else initial(self.plan)
        state = {column: _or_empty(value) for column, value in state.items()}
        for event in events:
            state = insert(self.plan, state, event)
        state = self._with_last(state)
        newest = max(event.time for event in events)
        self.row = Row(newest if self.row is None else max(self.row.time, newest), 0, state)
        self.log.at = self.row.time

    def _with_last(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """The state with the last outcomes rebuilt from the log."""
        after = {**state}
        settled = [event for event in self.log.events if event[1] == _SETTLED]
        for place, column in enumerate(_last_columns(self.plan)):
            outcomes = [*self.log.base.get(column, []), *(event[3][place] for event in settled)]
            after[column] = outcomes[-self.plan.last :]
        return after


def _last_columns(plan: CounterPlan) -> list[str]:
    """Columns of the last outcomes, in the order of the rates."""
    return [f"{plan.name}_{rate.name}_last" for rate in plan.rates] if plan.last else []


def _or_empty(value: Any) -> Any:
    return [] if value is None else value


def _to_list(event: CounterEvent) -> list[Any]:
    if isinstance(event, Shown):
        return [event.time, 0, "", list(event.hashes)]
    residuals = [list(event.residuals)] if event.residuals else []
    return [event.time, _SETTLED, event.key, list(event.outcomes), *residuals]


def _from_list(event: Sequence[Any]) -> CounterEvent:
    time, kind, key, values, *residuals = event
    return Settled(time, key, *map(tuple, (values, *residuals))) if kind == _SETTLED else Shown(time, tuple(values))
