"""The counters' features at any moment: Feast's state of just before it, through the one function `derive`."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feature_repo.as_of import features_as_of
from models.counters.columns import OVERALL, state_columns
from models.counters.derive import derive, empty_state
from models.counters.plan import plan_of
from models.counters.ragged import Ragged
from models.spec import Spec

_TOGETHER = 8


def counters_as_of(
    store: Any, spec: Spec, keys: Mapping[str, np.ndarray], times: np.ndarray, counters: Sequence[str]
) -> dict[str, pa.ChunkedArray]:
    """The features of ``counters`` strictly before each row's moment: float32 by column, in the order of the rows.

    ``keys`` and ``times`` as for ``features_as_of``.
    """
    overall: Mapping[str, np.ndarray | Ragged] = empty_state(spec, OVERALL, len(times))
    if any(spec.counters[name].rates != [] for name in counters):
        overall = state_of(spec, OVERALL, features_as_of(store, keys, times, [OVERALL]))
    found: dict[str, pa.ChunkedArray] = {}
    for alike in _by_keys(spec, counters):
        columns = features_as_of(store, keys, times, alike)
        for name in alike:
            for column, values in derive(spec, name, state_of(spec, name, columns), overall, times).items():
                # A missing value is a null in a table, as everywhere else in it.
                found[column] = pa.chunked_array([pa.array(values, mask=np.isnan(values))])
    return found


def _by_keys(spec: Spec, counters: Sequence[str]) -> list[list[str]]:
    """Counters of the same keys together, some at a time: their state is much larger than their features."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for name in counters:
        groups.setdefault(tuple(sorted(plan_of(spec, name).keys)), []).append(name)
    return [group[first : first + _TOGETHER] for group in groups.values() for first in range(0, len(group), _TOGETHER)]


def state_of(spec: Spec, name: str, columns: Mapping[str, pa.ChunkedArray]) -> dict[str, np.ndarray | Ragged]:
    """A counter's state out of the columns of its view; a key without a row (nulls) has the empty state."""
    state: dict[str, np.ndarray | Ragged] = {}
    for column, kind in state_columns(spec, name).items():
        values = columns[column]
        if kind == "int":
            state[column] = values.fill_null(0).to_numpy()
            continue
        rows = values.combine_chunks()
        offsets = np.zeros(len(rows) + 1, np.int64)
        np.cumsum(pc.list_value_length(rows).fill_null(0).to_numpy(), out=offsets[1:])
        state[column] = Ragged(offsets, rows.flatten().to_numpy())  # flatten leaves nulls out
    return state
