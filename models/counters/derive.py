"""From integer statistics to features: the one function that training and serving share."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from models.counters.columns import state_columns_of
from models.counters.plan import OVERALL, PANES, CounterPlan, RatePlan, plan_of
from models.counters.ragged import Ragged

if TYPE_CHECKING:
    from models.spec import Spec

State = Mapping[str, "np.ndarray | Ragged"]
"""By column: (rows,) int64, or a ragged array of ``rows`` lists."""


def empty_state(spec: "Spec", name: str, rows: int) -> dict[str, "np.ndarray | Ragged"]:
    """The state of ``rows`` keys that have no row in the store: nothing has happened to them. Also of ``overall``."""
    return {
        column: np.zeros(rows, np.int64) if kind == "int" else Ragged.empty(rows)
        for column, kind in state_columns_of(plan_of(spec, name)).items()
    }


def derive(spec: "Spec", name: str, state: State, overall: State, as_of: np.ndarray) -> dict[str, np.ndarray]:
    """``derive_planned`` for a counter of the spec."""
    return derive_planned(plan_of(spec, name), state, overall, as_of)


def derive_planned(plan: CounterPlan, state: State, overall: State, as_of: np.ndarray) -> dict[str, np.ndarray]:
    """The features of a counter as of each row's moment, by column: (rows,) float32 each.

    ``state`` holds the counter's columns and ``overall`` those of the view ``overall`` (one row, or one for each), both
    as they were strictly before ``as_of``, (rows,) int64 microseconds. A key without a row has ``empty_state``.
    """
    name, counts = plan.name, _in_window(plan, state, as_of)
    features = {f"{name}_exposures": counts["shown"].astype(np.float32)}
    if plan.recency:
        shown, last = _numbers(state, f"{name}_shown"), _numbers(state, f"{name}_shown_last")
        seconds = np.where(shown > 0, np.maximum(as_of - last, 0) / 1e6, np.nan)  # online, clocks may differ
        features[f"{name}_recency"] = np.log1p(seconds).astype(np.float32)
    for rate in plan.rates:
        everywhere = _overall(rate, overall)
        of = counts[f"{rate.name}_of"] if rate.filter else counts["settled"]
        smoothed = counts[f"{rate.name}_sum"] / rate.scale + plan.smoothing * everywhere
        features[f"{name}_{rate.name}_rate"] = (smoothed / (of + plan.smoothing)).astype(np.float32)
    for rate in plan.rates if plan.last else ():
        outcomes = state[f"{name}_{rate.name}_last"]
        assert isinstance(outcomes, Ragged)
        for place in range(1, plan.last + 1):
            features[f"{name}_last{place}_{rate.name}"] = _from_the_end(outcomes, place, rate.scale)
    return features


def _overall(rate: RatePlan, overall: State) -> np.ndarray:
    """The rate of everything that had settled: (rows,) or (1,) float64, NaN where that is nothing."""
    settled = _numbers(overall, f"{OVERALL}_{rate.name}_of" if rate.filter else f"{OVERALL}_settled")
    total = _numbers(overall, f"{OVERALL}_{rate.name}_sum") / rate.scale
    return np.divide(total, settled, out=np.full(len(settled), np.nan), where=settled > 0)


def _in_window(plan: CounterPlan, state: State, as_of: np.ndarray) -> dict[str, np.ndarray]:
    """By statistic: how much of it lies in the window that ends at each moment, (rows,) int64."""
    now = {statistic: _numbers(state, f"{plan.name}_{statistic}") for statistic in plan.statistics}
    if plan.window is None:
        return now
    panes = state[f"{plan.name}_panes"]
    assert isinstance(panes, Ragged)
    # The window reaches back to the sixteenth pane, the moment's own included.
    older = _leading(panes, as_of // plan.pane - PANES + 1)
    inside = older < panes.lengths
    found = {}
    for statistic, count in now.items():
        before = state[f"{plan.name}_panes_{statistic}"]
        assert isinstance(before, Ragged)
        found[statistic] = np.zeros(len(panes), np.int64)
        found[statistic][inside] = count[inside] - before.values[(before.starts + older)[inside]]
    return found


def _leading(rows: Ragged, bound: np.ndarray) -> np.ndarray:
    """How many values of each row, which rise, are below its bound: (rows,) int64."""
    below = np.zeros(rows.offsets[-1] - rows.offsets[0] + 1, np.int64)
    np.cumsum(rows.values[rows.offsets[0] : rows.offsets[-1]] < np.repeat(bound, rows.lengths), out=below[1:])
    return np.diff(below[rows.offsets - rows.offsets[0]])


def _numbers(state: State, column: str) -> np.ndarray:
    values = state[column]
    assert isinstance(values, np.ndarray)
    return values


def _from_the_end(rows: Ragged, place: int, scale: int) -> np.ndarray:
    """The ``place``-th value from the end of each row as a share of the scale: (rows,) float32, NaN where none."""
    found = np.full(len(rows), np.nan, np.float32)
    long_enough = rows.lengths >= place
    values = rows.values[rows.ends[long_enough] - place]
    found[long_enough] = np.where(values >= 0, values / scale, np.nan)
    return found
