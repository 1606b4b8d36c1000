"""Pushed rows into last activities and counters: the online store's writer calls this for a view with a plan."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from feature_repo.pushed import RECENT
from feature_repo.stores.online.keys import row_key
from feature_repo.stores.online.layout import Layout
from feature_repo.stores.online.rows import RowStore
from feature_repo.stream.counters import CountedKey
from feature_repo.stream.events import MemberEvent, events_of_row
from feature_repo.stream.layouts import Row, layout, read_rows, write_rows
from feature_repo.stream.member import Member
from feature_repo.stream.outcome import Outcome, collect
from feature_repo.stream.plan import EventPlan, ImpressionPlan, read_plan
from feature_repo.stream.record import record_key
from feature_repo.stream.rows import checked
from models.clock import latest

_log = logging.getLogger(__name__)
_ROWS = 200
"""Rows of one atomic change: more of them wait longer for each other, fewer are more round trips."""

Address = tuple[str, tuple[int | str, ...]]
"""A view and the values of its keys, in the order of the keys' names."""


def apply_events(rows: RowStore, project: str, plan_json: str, events: Iterable[Mapping[str, Any]]) -> Outcome:
    """Apply rows of an event table to everything that they move; answer and log what became of them.

    A row holds the columns of the table's view by name: the member's under the join key, the event's time in int
    microseconds UTC, other times as ``value_of`` reads them. Each event counts once, in whatever order and however
    often rows come, also beside other writers. A key whose batch row is later than the event does not take it: the next
    materialise has it. Raises StreamError, before anything is written, for a row that cannot be used.
    """
    plan = read_plan(plan_json)
    layouts = {name: layout(name, stored) for name, stored in plan.views.items()}
    whole = Outcome()
    columns = checked(plan, ({**event, plan.member_column: event[plan.member_key]} for event in events), plan.table)
    work = [list(events_of_row(plan, row)) for row in _with_attributes(rows, project, plan, layouts, columns)]
    for start in range(0, len(work), _ROWS):
        whole.add(_Batch(project, plan, layouts, work[start : start + _ROWS]).change(rows))
    if whole.late:
        _log.warning(
            "%s: %d of %d rows came too late for the online store; materialise brings them once the tables do",
            *(plan.table, whole.late, whole.rows),
        )
    collect(whole)
    return whole


class _Batch:
    """Rows that change the store at once."""

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
        """Change the store; a second writer in between lets it begin anew."""
        if self._keys:
            rows.change([*self._keys, *map(record_key, self._keys)], self._change)
        else:
            self._outcome = Outcome(rows=len(self._work), unused=len(self._work))
        return self._outcome

    def _addresses(self) -> Iterator[Address]:
        for events in self._work:
            for event in events:
                yield RECENT, (event.member,)
                yield from ((change.view, change.keys) for change in event.changes)

    def _change(self, stored: list[bytes | None]) -> list[bytes | None]:
        """From the rows and records of all keys to those that follow."""
        members: dict[int | str, Member] = {}
        counted: dict[Address, CountedKey] = {}
        place, records, end = 0, len(self._keys), latest()
        for view, group in self._by_view.items():
            found = read_rows(self._layouts[view], stored[place : place + len(group)])
            for row, address in zip(found, group, strict=True):
                record = stored[records + place]
                if view == RECENT:
                    members[address[1][0]] = Member.read(self._plan.edges, self._plan.last, row, record, end)
                else:
                    counted[address] = CountedKey.read(self._counters[view], row, record, end)
                place += 1
        self._outcome = Outcome()
        for events in self._work:
            self._outcome.add(_apply_row(events, members, counted))
        return self._written(members, counted)

    def _written(
        self, members: Mapping[int | str, Member], counted: Mapping[Address, CountedKey]
    ) -> list[bytes | None]:
        rows: list[bytes | None] = []
        records: list[bytes | None] = []
        for view, group in self._by_view.items():
            keys = [members[a[1][0]] if view == RECENT else counted[a] for a in group]
            there = [key.row for key in keys if key.row is not None and not key.row.flags]
            packed = iter(write_rows(self._layouts[view], there))
            rows += [next(packed) if key.row is not None and not key.row.flags else None for key in keys]
            records += [key.record.write() for key in keys]
        return [*rows, *records]


def _apply_row(
    events: Sequence[MemberEvent],
    members: Mapping[int | str, Member],
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
    """The rows with the item's features that counters are keyed by, as of just before each impression.

    The store holds only the newest version of an item: where that came later, the feature is unknown and not counted.
    """
    shown = plan.impressions
    if shown is None or not shown.attributes:
        yield from events
        return
    known = {
        view: _items(rows, project, layouts[view], {event[shown.item] for event in events})
        for view in set(shown.attributes.values())
    }
    for event in events:
        yield {**event, **_attributes(shown, layouts, known, event)}


def _items(rows: RowStore, project: str, view: Layout, items: set[Any]) -> dict[Any, Row | None]:
    keys = sorted(items)
    packed = rows.read([row_key(project, view.view, (item,)) for item in keys])
    return dict(zip(keys, read_rows(view, packed), strict=True))


def _attributes(
    plan: ImpressionPlan,
    layouts: Mapping[str, Layout],
    known: Mapping[str, Mapping[Any, Row | None]],
    event: Mapping[str, Any],
) -> dict[str, Any]:
    found = {}
    for feature, view in plan.attributes.items():
        row, ttl = known[view][event[plan.item]], layouts[view].ttl
        age = event[plan.time] - 1 - row.time if row is not None else -1
        visible = row is not None and age >= 0 and (ttl is None or age <= ttl)
        found[feature] = row.values[feature] if row is not None and visible else None
    return found
