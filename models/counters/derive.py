"""From counter state to features: the one implementation that training and serving share."""

from collections.abc import Mapping

import numpy as np

from models.counters.columns import state_columns
from models.counters.last_exposures import exposure_features, exposure_outcomes
from models.counters.plan import OVERALL, PANES, CounterPlan, RatePlan
from models.counters.ragged import Columns, Ragged, lists, numbers
from models.counters.snapshot import MILLION
from models.time_units import SECOND


def empty_state(plan: CounterPlan, rows: int) -> dict[str, "np.ndarray | Ragged"]:
    """State of ``rows`` keys without a row in the store: (rows,) zeros and ragged arrays of empty lists."""
    return {
        column: np.zeros(rows, np.int64) if kind == "int" else Ragged.empty(rows)
        for column, kind in state_columns(plan).items()
    }


def derive(
    plan: CounterPlan,
    state: Columns,
    overall: Columns,
    as_of: np.ndarray,
    own: Mapping[str, np.ndarray] | None = None,
) -> dict[str, np.ndarray]:
    """Derive a counter's features as of each row's time: (rows,) float32 by column.

    ``state`` holds the counter's columns and ``overall`` those of the view ``overall`` (one row, or one per row of
    ``state``), both strictly before ``as_of``, (rows,) int64 microseconds UTC. A key without a row has ``empty_state``.
    ``own``: what the rows hold of each value that the plan compares, by its key in Feast: (candidates,) integers or
    strings, None where unknown; ``rows`` of them, 1, or any number if ``rows`` is 1. The columns that compare have one
    value per candidate then. Raises KeyError if one is missing.
    """
    name, counts = plan.name, _window_counts(plan, state, as_of)
    features = {f"{name}_exposures": counts["shown"].astype(np.float32)}
    if plan.recency:
        shown, last = numbers(state, f"{name}_shown"), numbers(state, f"{name}_shown_last")
        seconds = np.where(shown > 0, np.maximum(as_of - last, 0) / SECOND, np.nan)  # clocks of servers may differ
        features[f"{name}_recency"] = np.log1p(seconds).astype(np.float32)
    if plan.last_exposures:
        features |= exposure_features(plan, state, as_of, own or {})
    for rate in plan.rates:
        trials = counts[f"{rate.name}_of"] if rate.filter else counts["settled"]
        smoothed = counts[f"{rate.name}_sum"] / rate.scale + plan.smoothing * _overall_rate(rate, overall)
        features[f"{name}_{rate.name}_rate"] = (smoothed / (trials + plan.smoothing)).astype(np.float32)
    for rate in plan.rates if plan.residual else ():
        total, number = counts[f"{rate.name}_residual"] / MILLION, counts[f"{rate.name}_residuals"]
        features[f"{name}_{rate.name}_mean_residual"] = (total / (number + plan.smoothing)).astype(np.float32)
    for rate in plan.rates if plan.last else ():
        outcomes = lists(state, f"{name}_{rate.name}_last")
        for place in range(1, plan.last + 1):
            features[f"{name}_last{place}_{rate.name}"] = _outcome_from_end(outcomes, place, rate.scale)
    return features | exposure_outcomes(plan, state, as_of)


def _overall_rate(rate: RatePlan, overall: Columns) -> np.ndarray:
    """The rate over all settled impressions: (rows,) or (1,) float64, NaN where there are none."""
    settled = numbers(overall, f"{OVERALL}_{rate.name}_of" if rate.filter else f"{OVERALL}_settled")
    total = numbers(overall, f"{OVERALL}_{rate.name}_sum") / rate.scale
    return np.divide(total, settled, out=np.full(len(settled), np.nan), where=settled > 0)


def _window_counts(plan: CounterPlan, state: Columns, as_of: np.ndarray) -> dict[str, np.ndarray]:
    """Counts within the window that ends at each row's time, by statistic: (rows,) int64."""
    now = {statistic: numbers(state, f"{plan.name}_{statistic}") for statistic in plan.statistics}
    if plan.window is None:
        return now
    panes = lists(state, f"{plan.name}_panes")
    # The window covers sixteen panes, including the one that holds as_of.
    older = _count_below(panes, as_of // plan.pane - PANES + 1)
    inside = older < panes.lengths
    counts = {}
    for statistic, count in now.items():
        before = lists(state, f"{plan.name}_panes_{statistic}")
        counts[statistic] = np.zeros(len(panes), np.int64)
        counts[statistic][inside] = count[inside] - before.values[(before.starts + older)[inside]]
    return counts


def _count_below(rows: Ragged, bound: np.ndarray) -> np.ndarray:
    """How many values of each ascending row are below the row's bound: (rows,) int64."""
    below = np.zeros(rows.offsets[-1] - rows.offsets[0] + 1, np.int64)
    np.cumsum(rows.values[rows.offsets[0] : rows.offsets[-1]] < np.repeat(bound, rows.lengths), out=below[1:])
    return np.diff(below[rows.offsets - rows.offsets[0]])


def _outcome_from_end(rows: Ragged, place: int, scale: int) -> np.ndarray:
    """The ``place``-th value from the end of each row, divided by the scale: (rows,) float32, NaN where undefined."""
    outcomes = np.full(len(rows), np.nan, np.float32)
    long_enough = rows.lengths >= place
    values = rows.values[rows.ends[long_enough] - place]
    outcomes[long_enough] = np.where(values >= 0, values / scale, np.nan)
    return outcomes
