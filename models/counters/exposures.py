"""A key's last exposures as lists in its state: the same lists whatever the order in which events arrive.

Exposures are ordered by (time, hash of the impression's key), oldest first. An outcome is stored with its exposure.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from models.counters.plan import CounterPlan

UNSETTLED = 2**63 - 1
"""Settled time of an exposure whose outcomes are not known: later than any time."""
UNDEFINED = -1
"""Outcome of such an exposure, or of one on which the rate is not defined."""

Exposure = tuple[int, ...]
"""One exposure's values, in the order of ``exposure_columns``."""


def exposure_columns(plan: CounterPlan) -> list[str]:
    """The lists of the state: time, key, compared values, and for a counter with rates settled time and outcomes."""
    if not plan.last_exposures:
        return []
    name = f"{plan.name}_exposure"
    columns = [f"{name}_time", f"{name}_key", *(f"{name}_of_{one.name}" for one in plan.compared)]
    if plan.rates:
        columns += [f"{name}_settled", *(f"{name}_outcome_{rate.name}" for rate in plan.rates)]
    return columns


def pending(plan: CounterPlan, time: int, hashes: Sequence[int]) -> Exposure:
    """An exposure that has not settled; ``hashes`` of the impression's key and the compared values."""
    return (time, *hashes, *([UNSETTLED, *[UNDEFINED] * len(plan.rates)] if plan.rates else []))


def with_exposures(plan: CounterPlan, state: Mapping[str, Any], added: Iterable[Exposure]) -> dict[str, Any]:
    """The state with these exposures among the last ones; those that it holds already stay as they are."""
    held = exposures_of(plan, state)
    keys = {exposure[1] for exposure in held}
    for exposure in added:
        if exposure[1] not in keys:
            held.insert(bisect_right(held, exposure[:2], key=lambda other: other[:2]), exposure)
    return _with(plan, state, held[-plan.last_exposures :])


def with_outcomes(plan: CounterPlan, state: Mapping[str, Any], key: int, settled: int, outcomes: Sequence[int]) -> Any:
    """The state after the exposure with this hash has settled. One that is not among the last changes nothing."""
    held = exposures_of(plan, state)
    kept = 2 + len(plan.compared)
    return _with(plan, state, [(*one[:kept], settled, *outcomes) if one[1] == key else one for one in held])


def exposures_until(plan: CounterPlan, state: Mapping[str, Any], latest: int) -> dict[str, Any]:
    """The state without exposures and outcomes later than ``latest``, microseconds UTC."""
    place = 2 + len(plan.compared)
    shown = [exposure for exposure in exposures_of(plan, state) if exposure[0] <= latest]
    if plan.rates:
        shown = [one if one[place] <= latest else pending(plan, one[0], one[1:place]) for one in shown]
    return _with(plan, state, shown)


def exposures_of(plan: CounterPlan, state: Mapping[str, Any]) -> list[Exposure]:
    """The exposures that a state holds, oldest first."""
    return list(zip(*(state[column] for column in exposure_columns(plan)), strict=True))


def _with(plan: CounterPlan, state: Mapping[str, Any], held: Sequence[Exposure]) -> dict[str, Any]:
    lists = zip(*held, strict=True) if held else [()] * len(exposure_columns(plan))
    return {**state, **{column: list(values) for column, values in zip(exposure_columns(plan), lists, strict=True)}}
