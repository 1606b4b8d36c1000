"""One event at a time: what the batch computes at once, for a stream. In the order of events the two agree exactly."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models.counters.columns import state_columns_of
from models.counters.plan import PANES, CounterPlan

State = dict[str, int | list[int]]
"""A key's state, by column."""


@dataclass(frozen=True)
class Shown:
    """An impression was shown."""

    time: int
    """Microseconds UTC."""


@dataclass(frozen=True)
class Settled:
    """The outcomes of an impression are known."""

    time: int
    key: int | str
    """The impression's key: of equal times the larger one is the later."""
    outcomes: tuple[int, ...]
    """One a rate of the plan: 0 to the rate's scale, -1 where it is not defined."""


def initial(plan: CounterPlan) -> State:
    """The state of a key to which nothing has happened."""
    return {column: 0 if kind == "int" else [] for column, kind in state_columns_of(plan).items()}


def events_of(plan: CounterPlan, row: Mapping[str, Any], time: str, settled: str, key: str) -> list[Shown | Settled]:
    """What one impression does to the counter: nothing, if its filter leaves the row out.

    ``row`` holds the impression's columns by name; ``time``, ``settled`` and ``key`` name three of them, and the times
    are int microseconds. A settled time of None is an outcome that is not yet known. Raises ValueError where a settled
    row lacks an outcome, or has one outside its scale.
    """
    if not keeps(plan.filter, row):
        return []
    events: list[Shown | Settled] = [Shown(row[time])] if plan.exposures else []
    if plan.rates and row.get(settled) is not None:
        outcomes = []
        for rate in plan.rates:
            value = row.get(rate.column)
            if not keeps(rate.filter, row):
                outcomes.append(-1)
            elif value is None or not 0 <= value <= rate.scale or value != int(value):
                raise ValueError(f"{rate.column}: expected a whole number from 0 to {rate.scale}; found {value!r}")
            else:
                outcomes.append(int(value))
        events.append(Settled(row[settled], row[key], tuple(outcomes)))
    return events


def keeps(kept: Mapping[str, list[Any]], row: Mapping[str, Any]) -> bool:
    """Whether a filter keeps a row: text equals text alone, and a missing value is never kept (models/filters.py)."""
    return all(row.get(column) is not None and row[column] in values for column, values in kept.items())


def fold(plan: CounterPlan, state: Mapping[str, int | list[int]], event: Shown | Settled) -> State:
    """The state after the event: a new one. Events come in the order of (time, for settled ones the key)."""
    after: dict[str, Any] = {**state}
    if plan.window is not None:
        _open_pane(plan, after, event.time)
    name = plan.name
    if isinstance(event, Shown):
        after[f"{name}_shown"] += 1
        if plan.recency:
            after[f"{name}_shown_last"] = event.time
        return after
    after[f"{name}_settled"] += 1
    for rate, outcome in zip(plan.rates, event.outcomes, strict=True):
        after[f"{name}_{rate.name}_sum"] += max(outcome, 0)
        if rate.filter:
            after[f"{name}_{rate.name}_of"] += outcome >= 0
        if plan.last:
            column = f"{name}_{rate.name}_last"
            after[column] = [*after[column], outcome][-plan.last :]
    return after


def _open_pane(plan: CounterPlan, after: dict[str, Any], time: int) -> None:
    """Note the counts before the event's pane, and forget the panes that no window reaches from here on."""
    name, pane = plan.name, time // plan.pane
    panes = after[f"{name}_panes"]
    if panes and panes[-1] == pane:
        return
    first = sum(old <= pane - PANES for old in panes)
    after[f"{name}_panes"] = [*panes[first:], pane]
    for statistic in plan.statistics:
        column = f"{name}_panes_{statistic}"
        after[column] = [*after[column][first:], after[f"{name}_{statistic}"]]
