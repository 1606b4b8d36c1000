"""One event into a counter's state, whenever it arrives: what ``fold`` gives for all events in their order."""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from models.counters.fold import Settled, Shown, State
from models.counters.plan import PANES, CounterPlan


def insert(plan: CounterPlan, state: Mapping[str, int | list[int]], event: Shown | Settled) -> State:
    """The state with the event in it: a new one, the same in whatever order events come.

    Counts and panes need no memory of other events; the lists of the last outcomes do, and are left as they are.
    """
    after: dict[str, Any] = {**state}
    added = _added(plan, event)
    if plan.window is not None:
        _into_panes(plan, after, event.time // plan.pane, added)
    for statistic, count in added.items():
        after[f"{plan.name}_{statistic}"] += count
    if plan.recency and isinstance(event, Shown):
        first = after[f"{plan.name}_shown"] == 1
        column = f"{plan.name}_shown_last"
        after[column] = event.time if first else max(after[column], event.time)
    return after


def remove(
    plan: CounterPlan,
    state: Mapping[str, int | list[int]],
    gone: Sequence[Shown | Settled],
    left: Sequence[Shown | Settled],
    latest: int,
) -> State:
    """The state without the events ``gone``, all of which are later than ``latest`` (microseconds UTC).

    ``left``: the newest of the other events. Counts are exact; a window, which has moved on to those that are gone, and
    the last exposure begin anew with ``left``. The lists of the last outcomes are left as they are.
    """
    after: dict[str, Any] = {**state}
    name = plan.name
    for event in gone:
        for statistic, count in _added(plan, event).items():
            after[f"{name}_{statistic}"] -= count
    if plan.recency and after[f"{name}_shown_last"] > latest:
        after[f"{name}_shown_last"] = max([event.time for event in left if isinstance(event, Shown)], default=0)
    if plan.window is not None:
        columns = [f"{name}_panes", *(f"{name}_panes_{statistic}" for statistic in plan.statistics)]
        kept = bisect_right(after[columns[0]], latest // plan.pane)
        after |= {column: after[column][:kept] for column in columns}
        _open_panes(plan, after, left)
    return after


def _open_panes(plan: CounterPlan, after: dict[str, Any], left: Sequence[Shown | Settled]) -> None:
    """Open the panes of these events behind those that are there: before one stood all but what came in it or later."""
    name, panes = plan.name, after[f"{plan.name}_panes"]
    last = panes[-1] if panes else None
    for pane in sorted({event.time // plan.pane for event in left} - set(panes)):
        if last is not None and pane < last:
            continue
        after[f"{name}_panes"] = [*after[f"{name}_panes"], pane]
        since = [_added(plan, event) for event in left if event.time // plan.pane >= pane]
        for statistic in plan.statistics:
            column = f"{name}_panes_{statistic}"
            before = after[f"{name}_{statistic}"] - sum(added.get(statistic, 0) for added in since)
            after[column] = [*after[column], before]
    forgotten = bisect_left(after[f"{name}_panes"], (after[f"{name}_panes"] or [0])[-1] - PANES + 1)
    for column in (f"{name}_panes", *(f"{name}_panes_{statistic}" for statistic in plan.statistics)):
        after[column] = after[column][forgotten:]


def _added(plan: CounterPlan, event: Shown | Settled) -> dict[str, int]:
    """What the event adds, by statistic."""
    if isinstance(event, Shown):
        return {"shown": 1}
    added = {"settled": 1}
    for rate, outcome in zip(plan.rates, event.outcomes, strict=True):
        added[f"{rate.name}_sum"] = max(outcome, 0)
        if rate.filter:
            added[f"{rate.name}_of"] = int(outcome >= 0)
    return added


def _into_panes(plan: CounterPlan, after: dict[str, Any], pane: int, added: Mapping[str, int]) -> None:
    """Open the event's pane if nothing has, and count the event into what stood before every later one."""
    name = plan.name
    panes = list(after[f"{name}_panes"])
    place = bisect_left(panes, pane)
    opened = place == len(panes) or panes[place] != pane
    if opened:
        panes.insert(place, pane)
    forgotten = bisect_left(panes, panes[-1] - PANES + 1)
    after[f"{name}_panes"] = panes[forgotten:]
    for statistic in plan.statistics:
        column = f"{name}_panes_{statistic}"
        before = list(after[column])
        if opened:
            before.insert(place, before[place] if place < len(before) else after[f"{name}_{statistic}"])
        later = [count + added.get(statistic, 0) for count in before[place + 1 :]]
        after[column] = [*before[: place + 1], *later][forgotten:]
