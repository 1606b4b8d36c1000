"""Out-of-order events: add an event to a counter's state, or remove events, with the result of folding in order."""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from models.counters.exposures import exposures_until
from models.counters.fold import CounterEvent, CounterState, Shown, booked_residuals, with_event
from models.counters.plan import PANES, CounterPlan


def insert(plan: CounterPlan, state: Mapping[str, int | list[int]], event: CounterEvent) -> CounterState:
    """Return the state with the event added, as a new dict. The order in which events arrive does not matter.

    Only an exposure comes before its own outcomes, as both are in one row.
    The lists of last outcomes stay as they are: they cannot be updated without the other events.
    """
    after: dict[str, Any] = {**state}
    increments = _increments(plan, event)
    if plan.window is not None:
        _add_to_panes(plan, after, event.time // plan.pane, increments)
    for statistic, count in increments.items():
        after[f"{plan.name}_{statistic}"] += count
    if plan.recency and isinstance(event, Shown):
        first = after[f"{plan.name}_shown"] == 1
        column = f"{plan.name}_shown_last"
        after[column] = event.time if first else max(after[column], event.time)
    return with_event(plan, after, event)


def remove(
    plan: CounterPlan,
    state: Mapping[str, int | list[int]],
    removed: Sequence[CounterEvent],
    remaining: Sequence[CounterEvent],
    latest: int,
) -> CounterState:
    """Return the state without the events ``removed``, all of which are later than ``latest`` (microseconds UTC).

    ``remaining``: the newest of the other events. Counts are exact. The window has already dropped panes because of the
    removed events, so it and the time of the last exposure are rebuilt from ``remaining`` alone. Last exposures that
    the removed ones had displaced come back if they are in ``remaining``. The lists of last outcomes stay as they are.
    """
    after: dict[str, Any] = {**state}
    name = plan.name
    for event in removed:
        for statistic, count in _increments(plan, event).items():
            after[f"{name}_{statistic}"] -= count
    if plan.recency and after[f"{name}_shown_last"] > latest:
        after[f"{name}_shown_last"] = max([event.time for event in remaining if isinstance(event, Shown)], default=0)
    if plan.window is not None:
        columns = _pane_columns(plan)
        kept = bisect_right(after[columns[0]], latest // plan.pane)
        after |= {column: after[column][:kept] for column in columns}
        _append_panes(plan, after, remaining)
    if plan.last_exposures:
        after = exposures_until(plan, after, latest)
        for event in remaining:
            after = with_event(plan, after, event)
    return after


def _append_panes(plan: CounterPlan, after: dict[str, Any], remaining: Sequence[CounterEvent]) -> None:
    """Open the panes of these events after the existing ones. Counts before a pane exclude it and later panes."""
    name, panes = plan.name, after[f"{plan.name}_panes"]
    last = panes[-1] if panes else None
    for pane in sorted({event.time // plan.pane for event in remaining} - set(panes)):
        if last is not None and pane < last:
            continue
        after[f"{name}_panes"] = [*after[f"{name}_panes"], pane]
        since = [_increments(plan, event) for event in remaining if event.time // plan.pane >= pane]
        for statistic in plan.statistics:
            column = f"{name}_panes_{statistic}"
            before = after[f"{name}_{statistic}"] - sum(increments.get(statistic, 0) for increments in since)
            after[column] = [*after[column], before]
    expired = bisect_left(after[f"{name}_panes"], (after[f"{name}_panes"] or [0])[-1] - PANES + 1)
    for column in _pane_columns(plan):
        after[column] = after[column][expired:]


def _increments(plan: CounterPlan, event: CounterEvent) -> dict[str, int]:
    """What the event adds, by statistic."""
    if isinstance(event, Shown):
        return {"shown": 1}
    increments = {"settled": 1}
    for rate, outcome in zip(plan.rates, event.outcomes, strict=True):
        increments[f"{rate.name}_sum"] = max(outcome, 0)
        if rate.filter:
            increments[f"{rate.name}_of"] = int(outcome >= 0)
    for rate, residual in booked_residuals(plan, event):
        increments |= {f"{rate.name}_residual": residual, f"{rate.name}_residuals": 1}
    return increments


def _add_to_panes(plan: CounterPlan, after: dict[str, Any], pane: int, increments: Mapping[str, int]) -> None:
    """Open the event's pane if needed, and add the event to the counts before every later pane."""
    name = plan.name
    panes = list(after[f"{name}_panes"])
    place = bisect_left(panes, pane)
    opened = place == len(panes) or panes[place] != pane
    if opened:
        panes.insert(place, pane)
    expired = bisect_left(panes, panes[-1] - PANES + 1)
    after[f"{name}_panes"] = panes[expired:]
    for statistic in plan.statistics:
        column = f"{name}_panes_{statistic}"
        before = list(after[column])
        if opened:
            before.insert(place, before[place] if place < len(before) else after[f"{name}_{statistic}"])
        later = [count + increments.get(statistic, 0) for count in before[place + 1 :]]
        after[column] = [*before[: place + 1], *later][expired:]


def _pane_columns(plan: CounterPlan) -> list[str]:
    return [f"{plan.name}_panes", *(f"{plan.name}_panes_{statistic}" for statistic in plan.statistics)]
