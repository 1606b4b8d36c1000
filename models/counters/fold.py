"""Streaming counters: the state of one key after one more event; in event order it equals the batch exactly."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models.counters.columns import state_columns
from models.counters.exposures import pending, with_exposures, with_outcomes
from models.counters.hashing import hash_of
from models.counters.plan import PANES, CounterPlan, RatePlan
from models.counters.snapshot import MILLION

CounterState = dict[str, int | list[int]]
"""State of one key of a counter, by column."""


@dataclass(frozen=True)
class Shown:
    """An impression was shown."""

    time: int
    """Microseconds UTC."""
    hashes: tuple[int, ...] = ()
    """Of the impression's key and the values that the plan compares, if it keeps the last exposures."""


@dataclass(frozen=True)
class Settled:
    """The outcomes of an impression became known."""

    time: int
    """Microseconds UTC."""
    key: int | str
    """The impression's key, which orders events of equal time."""
    outcomes: tuple[int, ...]
    """One per rate of the plan: 0 to the rate's scale, -1 where undefined."""
    residuals: tuple[int | None, ...] = ()
    """One per rate of a plan with residuals, in millionths; None where none is booked."""


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
    events: list[CounterEvent] = [Shown(row[time], _hashes(plan, row, key))] if plan.exposures else []
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
        events.append(Settled(row[settled], row[key], tuple(outcomes), _residuals(plan, row, outcomes)))
    return events


def expected_column(rate: str) -> str:
    """Where a row holds the expected outcome of a rate in millionths. Names in a spec contain no spaces."""
    return f"expected {rate}"


def _residuals(plan: CounterPlan, row: Mapping[str, Any], outcomes: Sequence[int]) -> tuple[int | None, ...]:
    found: list[int | None] = []
    for rate, outcome in zip(plan.rates, outcomes, strict=True) if plan.residual else ():
        expected = row.get(expected_column(rate.name))
        booked = outcome >= 0 and expected is not None
        found.append(outcome * MILLION // rate.scale - expected if booked else None)  # type: ignore[operator]
    return tuple(found)


def _hashes(plan: CounterPlan, row: Mapping[str, Any], key: str) -> tuple[int, ...]:
    if not plan.last_exposures:
        return ()
    return (hash_of(row[key]), *(hash_of(row.get(one.column)) for one in plan.compared))


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
        return with_event(plan, after, event)
    after[f"{name}_settled"] += 1
    for rate, outcome in zip(plan.rates, event.outcomes, strict=True):
        after[f"{name}_{rate.name}_sum"] += max(outcome, 0)
        if rate.filter:
            after[f"{name}_{rate.name}_of"] += outcome >= 0
        if plan.last:
            column = f"{name}_{rate.name}_last"
            after[column] = [*after[column], outcome][-plan.last :]
    for rate, residual in booked_residuals(plan, event):
        after[f"{name}_{rate.name}_residual"] += residual
        after[f"{name}_{rate.name}_residuals"] += 1
    return with_event(plan, after, event)


def booked_residuals(plan: CounterPlan, event: Settled) -> Iterator[tuple[RatePlan, int]]:
    """The rates for which the event books a residual, each with it in millionths.

    None for an event that was logged when the counter had no residuals.
    """
    for rate, residual in zip(plan.rates, event.residuals, strict=True) if plan.residual and event.residuals else ():
        if residual is not None:
            yield rate, residual


def with_event(plan: CounterPlan, state: dict[str, Any], event: CounterEvent) -> dict[str, Any]:
    """The state with the event in its lists of the last exposures. An exposure comes before its own outcomes.

    An exposure with other hashes is left out: it was logged when the counter compared something else.
    """
    if not plan.last_exposures:
        return state
    if isinstance(event, Settled):
        return with_outcomes(plan, state, hash_of(event.key), event.time, event.outcomes)
    if len(event.hashes) != 1 + len(plan.compared):
        return state
    return with_exposures(plan, state, [pending(plan, event.time, event.hashes)])


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
