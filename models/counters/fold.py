"""Streaming counters: the state of one key after one more event; in event order it equals the batch exactly."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models.counters.columns import state_columns
from models.counters.plan import PANES, CounterPlan

CounterState = dict[str, int | list[int]]
"""State of one key of a counter, by column."""


@dataclass(frozen=True)
class Shown:
    """An impression was shown."""

    time: int
    """Microseconds UTC."""


@dataclass(frozen=True)
class Settled:
    """The outcomes of an impression became known."""

    time: int
    """Microseconds UTC."""
    key: int | str
    """The impression's key, which orders events of equal time."""
    outcomes: tuple[int, ...]
    """One per rate of the plan: 0 to the rate's scale, -1 where undefined."""


CounterEvent = Shown | Settled


def initial(plan: CounterPlan) -> CounterState:
    """The state of a key without events."""
    return {column: 0 if kind == "int" else [] for column, kind in state_columns(plan).items()}


def events_of(plan: CounterPlan, row: Mapping[str, Any], time: str, settled: str, key: str) -> list[CounterEvent]:
    """The counter's events of one impression; empty if the counter's filter drops the row.

    ``row`` holds the impression's columns by name; ``time``, ``settled`` and ``key`` name three of them. Times are int
    microseconds UTC; a settled time of None means that the outcomes are not known yet. Raises ValueError if a settled
    row lacks an outcome or has one outside its scale.
    """
    if not keeps(plan.filter, row):
        return []
    events: list[CounterEvent] = [Shown(row[time])] if plan.exposures else []
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
    """Whether a filter keeps a row. Missing values are never kept; strings only equal strings (models/filters.py)."""
    return all(row.get(column) is not None and row[column] in values for column, values in kept.items())


def fold(plan: CounterPlan, state: Mapping[str, int | list[int]], event: CounterEvent) -> CounterState:
    """Return the state after the event, as a new dict. Events must come ordered by (time, settled: impression key)."""
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
    """Store the counts before the event's pane, and drop panes that no later window reaches."""
    name, pane = plan.name, time // plan.pane
    panes = after[f"{name}_panes"]
    if panes and panes[-1] == pane:
        return
    first = sum(old <= pane - PANES for old in panes)
    after[f"{name}_panes"] = [*panes[first:], pane]
    for statistic in plan.statistics:
        column = f"{name}_panes_{statistic}"
        after[column] = [*after[column][first:], after[f"{name}_{statistic}"]]
