"""Counter features strictly before a time: the state out of Feast, through the same ``derive`` as in serving."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from feature_repo.as_of.features import features_as_of
from feature_repo.as_of.ragged import ragged
from models.counters.columns import state_columns
from models.counters.derive import derive, empty_state
from models.counters.last_exposures import exposure_outcomes
from models.counters.plan import OVERALL, CounterPlan
from models.counters.ragged import Ragged
from models.features import keyed_by_member
from models.spec import Spec
from models.spec.counter_plans import counter_plan

_VIEWS_PER_CALL = 8
"""Counter state is much larger than the features derived from it: more views at once would need more memory."""


def counters_as_of(
    store: Any, spec: Spec, keys: Mapping[str, np.ndarray], times: np.ndarray, counters: Sequence[str]
) -> dict[str, pa.ChunkedArray]:
    """Retrieve the features of ``counters`` strictly before each row's time: (rows,) float32 by column, NaN as null.

    ``keys`` and ``times``, (rows,) each, as for ``features_as_of``; ``keys`` holds the item features that the counters
    compare too.
    """
    overall_plan = counter_plan(spec, OVERALL)
    overall: Mapping[str, np.ndarray | Ragged] = empty_state(overall_plan, len(times))
    if any(spec.counters[name].rates != [] for name in counters):
        overall = state_of(overall_plan, features_as_of(store, keys, times, [OVERALL]))
    features: dict[str, pa.ChunkedArray] = {}
    for group in _groups([counter_plan(spec, name) for name in counters]):
        columns = features_as_of(store, keys, times, [plan.name for plan in group])
        for plan in group:
            features |= _with_nulls(derive(plan, state_of(plan, columns), overall, times, keys))
    return features


def exposure_outcomes_as_of(
    store: Any, spec: Spec, keys: Mapping[str, np.ndarray], times: np.ndarray, before: np.ndarray
) -> dict[str, pa.ChunkedArray]:
    """Retrieve the last exposures strictly before each row's time with their outcomes settled strictly before another.

    For the counters keyed by the member, whose outcomes are older than its exposures in frozen state: (rows,) float32
    by column, NaN as null. ``before``: (rows,) int64 microseconds UTC, at most ``times``; other arguments as for
    ``counters_as_of``.
    """
    plans = [counter_plan(spec, name) for name, counter in spec.counters.items() if keyed_by_member(counter)]
    features: dict[str, pa.ChunkedArray] = {}
    for group in _groups([plan for plan in plans if plan.last_exposures and plan.rates]):
        columns = features_as_of(store, keys, times, [plan.name for plan in group])
        for plan in group:
            features |= _with_nulls(exposure_outcomes(plan, state_of(plan, columns), before))
    return features


def _with_nulls(features: Mapping[str, np.ndarray]) -> dict[str, pa.ChunkedArray]:
    arrays = {column: pa.array(values, mask=np.isnan(values)) for column, values in features.items()}
    return {column: pa.chunked_array([array]) for column, array in arrays.items()}


def _groups(plans: Sequence[CounterPlan]) -> list[list[CounterPlan]]:
    """Counters with the same keys, at most ``_VIEWS_PER_CALL`` in a group."""
    by_keys: dict[tuple[str, ...], list[CounterPlan]] = {}
    for plan in plans:
        by_keys.setdefault(tuple(sorted(plan.keys)), []).append(plan)
    return [
        group[first : first + _VIEWS_PER_CALL]
        for group in by_keys.values()
        for first in range(0, len(group), _VIEWS_PER_CALL)
    ]


def state_of(plan: CounterPlan, columns: Mapping[str, pa.ChunkedArray]) -> dict[str, np.ndarray | Ragged]:
    """Counter state from the columns of its view: (rows,) int64 or ragged. Nulls (no row) read as empty."""
    state: dict[str, np.ndarray | Ragged] = {}
    for column, kind in state_columns(plan).items():
        values = columns[column]
        state[column] = values.fill_null(0).to_numpy() if kind == "int" else ragged(values)
    return state
