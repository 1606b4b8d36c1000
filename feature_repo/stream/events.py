"""What one row of an event table does: to the member's activities, to the impression's counters."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from feature_repo.stream.errors import StreamError
from feature_repo.stream.plan import EventPlan, ImpressionPlan
from models.counters.fold import Settled, Shown, events_of, keeps

SHOWN, SETTLED = -2, -1
"""Places of an impression's two events, beside those of the edges."""

Entry = tuple[int, int, int | str, int | str]
"""An event of a member: (microseconds UTC, place, key of the target, key of the impression or an empty text).

Two entries that are equal are one event. Activities are ordered by them.
"""


@dataclass(frozen=True)
class Change:
    """One event for one key of a counter."""

    view: str
    keys: tuple[int | str, ...]
    event: Shown | Settled


@dataclass(frozen=True)
class MemberEvent:
    """One event of a member, which counts once, and what it does to counters."""

    member: int | str
    entry: Entry
    changes: list[Change] = field(default_factory=list)


def events_of_row(plan: EventPlan, row: Mapping[str, Any]) -> Iterator[MemberEvent]:
    """The events of one row, whose times are int microseconds; of an impression, attributes are columns too.

    An event whose key or time is null does not exist. Raises StreamError where an outcome is missing or out of range.
    """
    identity = row[plan.impressions.key] if plan.impressions else ""
    if plan.impressions:
        yield from _impression(plan.impressions, row)
    for edge in plan.activities:
        member, target, time = row.get(edge.member), row.get(edge.target), row.get(edge.time)
        if member is not None and target is not None and time is not None and keeps(edge.filter, row):
            yield MemberEvent(member, (time, edge.place, target, identity))


def _impression(plan: ImpressionPlan, row: Mapping[str, Any]) -> Iterator[MemberEvent]:
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
    """Values of join keys in the order of the keys' names, as rows are addressed."""
    return tuple(value for _, value in sorted(zip(names, values, strict=True), key=lambda pair: pair[0]))
