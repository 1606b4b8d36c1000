"""Features of a key's last exposures: how long ago, whether they have settled, what they share with the row."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from models.counters.columns import exposure_outcome_columns
from models.counters.hashing import UNKNOWN, hashes_of
from models.counters.plan import CounterPlan
from models.counters.ragged import Ragged
from models.time_units import SECOND


def exposure_features(
    plan: CounterPlan, state: Mapping[str, Any], as_of: np.ndarray, own: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Gap and comparisons of each of the last exposures, newest first: float32 by column, arguments and shapes
    as for ``derive``. NaN where the key has fewer exposures, or where one of two compared values is unknown.
    """
    features: dict[str, np.ndarray] = {}
    hashes = {one.name: hashes_of(own[one.key]) for one in plan.compared}
    for place, name in _places(plan):
        time, shown = _from_end(state[f"{plan.name}_exposure_time"], place)
        seconds = np.where(shown, np.maximum(as_of - time, 0) / SECOND, np.nan)  # clocks of servers may differ
        features[f"{name}_gap"] = np.log1p(seconds).astype(np.float32)
        for one, mine in hashes.items():
            value, _ = _from_end(state[f"{plan.name}_exposure_of_{one}"], place)
            known = shown & (value != UNKNOWN) & (mine != UNKNOWN)
            features[f"{name}_same_{one}"] = np.where(known, value == mine, np.nan).astype(np.float32)
    return features


def exposure_outcomes(plan: CounterPlan, state: Mapping[str, Any], before: np.ndarray) -> dict[str, np.ndarray]:
    """Pending and outcomes of the last exposures, strictly before a time, (rows,) int64 microseconds UTC.

    (rows,) float32 by column; an outcome is NaN where it had not settled by then, or is not defined. ``before`` may be
    earlier than the time of the state: the member's outcomes may be older than its exposures. Pending belongs to them,
    since a longer view settles later.
    """
    features: dict[str, np.ndarray] = {}
    for place, name in _places(plan) if plan.rates else ():
        settled, exposed = _from_end(state[f"{plan.name}_exposure_settled"], place)
        features[f"{name}_pending"] = np.where(exposed, settled >= before, np.nan).astype(np.float32)
        for rate in plan.rates:
            outcome, shown = _from_end(state[f"{plan.name}_exposure_outcome_{rate.name}"], place)
            known = shown & (settled < before) & (outcome >= 0)
            features[f"{name}_outcome_{rate.name}"] = np.where(known, outcome / rate.scale, np.nan).astype(np.float32)
    return {column: features[column] for column in exposure_outcome_columns(plan)}


def _places(plan: CounterPlan) -> Iterator[tuple[int, str]]:
    return ((place, f"{plan.name}_exposure{place}") for place in range(1, plan.last_exposures + 1))


def _from_end(rows: Ragged, place: int) -> tuple[np.ndarray, np.ndarray]:
    """The ``place``-th value from the end of each row, 0 where there is none, and where there is one: (rows,) each."""
    there = rows.lengths >= place
    values = np.zeros(len(rows), np.int64)
    values[there] = rows.values[rows.ends[there] - place]
    return values, there
