"""One event into a counter's state, whenever it arrives: what ``fold`` gives for all events in their order."""

from bisect import bisect_left
from collections.abc import Mapping
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
