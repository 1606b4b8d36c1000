"""Apply pushed rows to counters and last activities. The online store calls this for a view with an event plan."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from feature_repo.packed.keys import row_key
from feature_repo.packed.layout import Layout
from feature_repo.packed.rows import RowStore
from feature_repo.stream.counters import CountedKey
from feature_repo.stream.event_log import log_key
from feature_repo.stream.events import MemberEvent, events_of_row
from feature_repo.stream.expected import with_expectations
from feature_repo.stream.member import MemberState
from feature_repo.stream.outcome import Outcome, collect
from feature_repo.stream.packed_rows import Row, layout, read_rows, write_rows
from feature_repo.stream.plan import EventPlan, ImpressionPlan, read_plan
from feature_repo.stream.validator import validated
from feature_repo.views.pushed import RECENT
from models.clock import latest

_log = logging.getLogger(__name__)
_ROWS = 200
"""Rows per atomic change: larger changes conflict more often, smaller ones cost more round trips."""

Address = tuple[str, tuple[int | str, ...]]
"""A view and its key values, ordered by key name."""


def apply_events(rows: RowStore, project: str, plan_json: str, events: Iterable[Mapping[str, Any]]) -> Outcome:
    """Apply rows of an event table to all counters and activities that they affect; return and log what became of them.

    A row holds the columns of the table's view by name: the member under the join key, the event time in int
    microseconds UTC, other times as ``value_of`` accepts them. Every event counts once, whatever the order and number
    of times in which rows arrive, also with concurrent writers. A key whose batch row is later than the event does not
    take it: the next materialize run has it. Raises StreamError, before anything is written, for an invalid row.
    """
    plan = read_plan(plan_json)
    layouts = {name: layout(name, stored) for name, stored in plan.views.items()}
    total = Outcome()
    columns = validated(plan, ({**event, plan.member_column: event[plan.member_key]} for event in events), plan.table)
    known = list(_with_attributes(rows, project, plan, layouts, columns))
    work = [list(events_of_row(plan, row)) for row in with_expectations(rows, project, plan, layouts, known)]
    for start in range(0, len(work), _ROWS):
        total.add(_Batch(project, plan, layouts, work[start : start + _ROWS]).change(rows))
    if total.late:
        _log.warning(
            "%s: %d of %d rows came too late for the online store; materialize adds them once the tables have them",
            *(plan.table, total.late, total.rows),
        )
    collect(total)
    return total


class _Batch:
    """Rows that are applied in one atomic change."""

    def __init__(
        self, project: str, plan: EventPlan, layouts: Mapping[str, Layout], work: Sequence[list[MemberEvent]]
    ) -> None:
        self._plan, self._layouts, self._work = plan, layouts, work
        self._counters = {c.name: c for c in plan.impressions.counters} if plan.impressions else {}
        self._by_view: dict[str, list[Address]] = {}
        for address in dict.fromkeys(self._addresses()):
            self._by_view.setdefault(address[0], []).append(address)
        addresses = [address for group in self._by_view.values() for address in group]
        self._keys = [row_key(project, view, values) for view, values in addresses]
        self._outcome = Outcome()

    def change(self, rows: RowStore) -> Outcome:
        """Change the store; repeated from the start on a conflict with another writer."""
        if self._keys:
            rows.change([*self._keys, *map(log_key, self._keys)], self._change)
        else:
            self._outcome = Outcome(rows=len(self._work), unused=len(self._work))
        return self._outcome

    def _addresses(self) -> Iterator[Address]:
        for events in self._work:
            for event in events:
                yield RECENT, (event.member,)
                yield from ((change.view, change.keys) for change in event.changes)

    def _change(self, stored: list[bytes | None]) -> list[bytes | None]:
        """From the stored rows and logs of all keys to the new ones."""
        members: dict[int | str, MemberState] = {}
        counted: dict[Address, CountedKey] = {}
        place, logs, end = 0, len(self._keys), latest()
        for view, group in self._by_view.items():
            found = read_rows(self._layouts[view], stored[place : place + len(group)])
            for row, address in zip(found, group, strict=True):
                log = stored[logs + place]
                if view == RECENT:
                    members[address[1][0]] = MemberState.read(self._plan.edges, self._plan.last, row, log, end)
                else:
                    counted[address] = CountedKey.read(self._counters[view], row, log, end)
                place += 1
        self._outcome = Outcome()
        for events in self._work:
            self._outcome.add(_apply_row(events, members, counted))
        return self._written(members, counted)

    def _written(
        self, members: Mapping[int | str, MemberState], counted: Mapping[Address, CountedKey]
    ) -> list[bytes | None]:
        rows: list[bytes | None] = []
        logs: list[bytes | None] = []
        for view, group in self._by_view.items():
            keys = [members[a[1][0]] if view == RECENT else counted[a] for a in group]
            changed = [key.row for key in keys if key.row is not None and not key.row.flags]
            packed = iter(write_rows(self._layouts[view], changed))
            rows += [next(packed) if key.row is not None and not key.row.flags else None for key in keys]
            logs += [key.log.write() for key in keys]
        return [*rows, *logs]


def _apply_row(
    events: Sequence[MemberEvent],
    members: Mapping[int | str, MemberState],
    counted: Mapping[Address, CountedKey],
) -> Outcome:
    verdicts = set()
    for event in events:
        verdict = members[event.member].apply(event.entry)
        verdicts.add(verdict)
        if verdict == "new":
            done = [counted[change.view, change.keys].apply(change.event) for change in event.changes]
            if not all(done):
                verdicts.add("late")
    outcome = Outcome(rows=1)
    if "late" in verdicts:
        outcome.late = 1
    elif "new" in verdicts:
        outcome.new = 1
    elif verdicts:
        outcome.duplicates = 1
    else:
        outcome.unused = 1
    return outcome


def _with_attributes(
    rows: RowStore, project: str, plan: EventPlan, layouts: Mapping[str, Layout], events: Sequence[Mapping[str, Any]]
) -> Iterator[Mapping[str, Any]]:
    """Add the item features that counters use as keys or compare, as of just before each impression.

    The store holds only the newest version of an item: if that came later, the feature is unknown. As a key it is not
    counted then.
    """
    shown = plan.impressions
    if shown is None or not shown.attributes:
        yield from events
        return
    items = {event[shown.item] for event in events}
    known = {view: _read_items(rows, project, layouts[view], items) for view in set(shown.attributes.values())}
    for event in events:
        yield {**event, **_attributes(shown, layouts, known, event)}


def _read_items(rows: RowStore, project: str, view: Layout, items: set[Any]) -> dict[Any, Row | None]:
    keys = sorted(items)
    packed = rows.read([row_key(project, view.view, (item,)) for item in keys])
    return dict(zip(keys, read_rows(view, packed), strict=True))


def _attributes(
    plan: ImpressionPlan,
    layouts: Mapping[str, Layout],
    known: Mapping[str, Mapping[Any, Row | None]],
    event: Mapping[str, Any],
) -> dict[str, Any]:
    values: dict[str, Any] = dict.fromkeys(plan.attributes)
    for feature, view in plan.attributes.items():
        row, ttl = known[view][event[plan.item]], layouts[view].ttl
        if row is not None:
            age = event[plan.time] - 1 - row.time
            if age >= 0 and (ttl is None or age <= ttl):
                values[feature] = row.values[feature]
    return values
