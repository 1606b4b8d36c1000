"""Events of one row of an event table: activities of the member, and counter events of an impression."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from feature_repo.stream.errors import StreamError
from feature_repo.stream.plan import EventPlan, ImpressionPlan
from models.counters.fold import CounterEvent, Shown, events_of, keeps

SHOWN, SETTLED = -2, -1
"""Places of an impression's two events; activity edges have the places from 0 on."""

Entry = tuple[int, int, int | str, int | str]
"""Identity of a member's event: (microseconds UTC, place, target key, impression key or an empty string).

Equal entries are one event. Activities are ordered by their entries.
"""


@dataclass(frozen=True)
class Change:
    """One event for one key of a counter."""

    view: str
    keys: tuple[int | str, ...]
    event: CounterEvent


@dataclass(frozen=True)
class MemberEvent:
    """One event of a member, which counts once, and the counter changes that it causes."""

    member: int | str
    entry: Entry
    changes: list[Change] = field(default_factory=list)


def events_of_row(plan: EventPlan, row: Mapping[str, Any]) -> Iterator[MemberEvent]:
    """Events of one row. Times are int microseconds; of an impression, item features used as keys are columns too.

    A null key or time means no event. Raises StreamError if an outcome is missing or out of range.
    """
    identity = row[plan.impressions.key] if plan.impressions else ""
    if plan.impressions:
        yield from _impression_events(plan.impressions, row)
    for edge in plan.activities:
        member, target, time = row.get(edge.member), row.get(edge.target), row.get(edge.time)
        if member is not None and target is not None and time is not None and keeps(edge.filter, row):
            yield MemberEvent(member, (time, edge.place, target, identity))


def _impression_events(plan: ImpressionPlan, row: Mapping[str, Any]) -> Iterator[MemberEvent]:
    shown = MemberEvent(row[plan.member], (row[plan.time], SHOWN, "", row[plan.key]))
    settled_time = row.get(plan.settled)
    settled = None
    if settled_time is not None:
        settled = MemberEvent(row[plan.member], (settled_time, SETTLED, "", row[plan.key]))
    for counter in plan.counters:
        keys = tuple(row.get(column) for column in counter.columns)
        if None in keys:
            continue
        try:
            events = events_of(counter, row, plan.time, plan.settled, plan.key)
        except ValueError as error:
            raise StreamError(f"impression {row[plan.key]!r}: {error}") from error
        for event in events:
            owner = shown if isinstance(event, Shown) else settled
            assert owner is not None
            owner.changes.append(Change(counter.name, by_name(counter.keys, keys), event))
    yield shown
    if settled is not None:
        yield settled


def by_name(names: Sequence[str], values: Sequence[Any]) -> tuple[Any, ...]:
    """Join key values ordered by key name, the order in which packed rows are keyed."""
    return tuple(value for _, value in sorted(zip(names, values, strict=True), key=lambda pair: pair[0]))
