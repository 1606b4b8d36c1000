"""A counter's state and its record under events that come in any order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from feature_repo.stores.online.packed import FLAG_BATCH
from feature_repo.stream.layouts import Row
from feature_repo.stream.record import Record
from models.counters.fold import Settled, Shown, initial
from models.counters.insert import insert, remove
from models.counters.plan import CounterPlan

EVENTS = 128
"""How many of a key's newest events its record holds."""
_SETTLED = 1


@dataclass
class CountedKey:
    """One key of a counter: what the store holds, and what becomes of it."""

    plan: CounterPlan
    row: Row | None
    record: Record
    ahead: bool = False
    """The row is ahead of the clock, and the record does not say by what: only another batch row helps."""

    @classmethod
    def read(cls, plan: CounterPlan, row: Row | None, record: bytes | None, latest: int) -> "CountedKey":
        """Out of the store. Where a row of the batch, or of Feast's own materialise, has come since, it is the base.

        Events later than ``latest`` (the clock's) are taken out of it.
        """
        key = cls(plan, row, Record.read(record))
        whole = key.record.dropped is None or key.record.dropped <= latest
        gone = key.record.forget_after(latest)
        if row is None:
            key.record = Record()
        elif row.time > latest:
            key.ahead = not (gone and whole and key.record.at == row.time and not row.flags)
            if not key.ahead:
                key._take_out([_from_list(event) for event in gone], latest)
        elif row.flags & FLAG_BATCH or key.record.at != row.time:
            key._restart(row)
        return key

    def apply(self, event: Shown | Settled) -> bool:
        """Count an event that is new to its member; False where the batch row holds it already."""
        if self.ahead or self.record.is_in_batch(event.time):
            return False
        self.record.add(_to_list(event))
        self._insert([event])
        self.record.trim(EVENTS, _SETTLED, self.plan.last)
        return True

    def rebase(self, batch: Row) -> bool:
        """Stand on a batch row although events have come since; False where it cannot be told which.

        A key that never stood on a batch row takes it anyhow: without, it lacks all of history.
        """
        record = self.record
        if record.batch is not None and (batch.time < record.batch or record.is_forgotten(batch.time + 1)):
            return False
        self._restart(batch)
        return True

    def _take_out(self, gone: Sequence[Shown | Settled], latest: int) -> None:
        """The row without these events, the newest that it counts.

        Counts are exact. Of a window and of the last exposure only what the record knows is left, until a batch row.
        """
        assert self.row is not None
        state: Mapping[str, Any] = {column: _or_empty(value) for column, value in self.row.values.items()}
        left = [_from_list(event) for event in self.record.events]
        state = self._with_last(remove(self.plan, state, gone, left, latest))
        time = max([self.record.batch or 0, *(event.time for event in left)])
        self.row, self.record.at = Row(time, 0, state), time

    def _restart(self, batch: Row) -> None:
        lists = {column: batch.values[column] or [] for column in _last_columns(self.plan)}
        self.record.restart(batch.time, lists)
        self.row = Row(batch.time, batch.flags, {column: _or_empty(batch.values[column]) for column in batch.values})
        self.record.at, self.ahead = batch.time, False
        if self.record.events:
            self._insert([_from_list(event) for event in self.record.events])

    def _insert(self, events: Sequence[Shown | Settled]) -> None:
        state: Mapping[str, Any] = self.row.values if self.row else initial(self.plan)
        state = {column: _or_empty(value) for column, value in state.items()}
        for event in events:
            state = insert(self.plan, state, event)
        state = self._with_last(state)
        newest = max(event.time for event in events)
        self.row = Row(newest if self.row is None else max(self.row.time, newest), 0, state)
        self.record.at = self.row.time

    def _with_last(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """The state with the last outcomes as the record has them."""
        after = {**state}
        settled = [event for event in self.record.events if event[1] == _SETTLED]
        for place, column in enumerate(_last_columns(self.plan)):
            outcomes = [*self.record.base.get(column, []), *(event[3][place] for event in settled)]
            after[column] = outcomes[-self.plan.last :]
        return after


def _last_columns(plan: CounterPlan) -> list[str]:
    """The columns of the last outcomes, in the order of the rates."""
    return [f"{plan.name}_{rate.name}_last" for rate in plan.rates] if plan.last else []


def _or_empty(value: Any) -> Any:
    return [] if value is None else value


def _to_list(event: Shown | Settled) -> list[Any]:
    if isinstance(event, Shown):
        return [event.time, 0, "", []]
    return [event.time, _SETTLED, event.key, list(event.outcomes)]


def _from_list(event: Sequence[Any]) -> Shown | Settled:
    time, kind, key, outcomes = event
    return Settled(time, key, tuple(outcomes)) if kind == _SETTLED else Shown(time)
