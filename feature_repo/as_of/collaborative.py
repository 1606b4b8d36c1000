"""Collaborative features strictly before a time: rows of snapshots out of Feast, through ``derive`` as in serving."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from feature_repo.as_of.features import features_as_of
from feature_repo.as_of.ragged import ragged
from models.collaborative.derive import Pairs, derive
from models.collaborative.plan import CollaborativePlan, ColumnKind, item_columns, member_columns
from models.collaborative.schedule import visible_cuts
from models.counters.ragged import Columns
from models.spec import Spec
from models.spec.collaborative_plans import collaborative_plans

_ROWS = 50_000
"""Rows whose members and items are in memory at once: a member's row has some kilobytes."""


def collaborative_as_of(
    store: Any, spec: Spec, keys: Mapping[str, np.ndarray], times: np.ndarray
) -> dict[str, pa.ChunkedArray]:
    """Retrieve all collaborative features strictly before each row's time: (rows,) float32 by column, NaN as null.

    ``keys`` and ``times``, (rows,) each, as for ``features_as_of``.
    """
    features: dict[str, pa.ChunkedArray] = {}
    for plan in collaborative_plans(spec).values():
        found: dict[str, list[np.ndarray]] = {}
        # Between two snapshots nothing changes, so rows of one key share the row of the snapshot that they see.
        visible = visible_cuts(spec.zone, plan.delay, times) + plan.delay
        order = np.argsort(visible, kind="stable")
        for places in _chunks(order):
            for column, values in _derived(store, plan, keys, visible, places).items():
                found.setdefault(column, []).append(values)
        for column, parts in found.items():
            values = np.empty(len(times), np.float32)
            values[order] = np.concatenate(parts)
            features[column] = pa.chunked_array([pa.array(values, mask=np.isnan(values))])
    return features


def _chunks(order: np.ndarray) -> Iterator[np.ndarray]:
    """Positions in chunks; without any, one empty chunk, which still names the columns."""
    for first in range(0, max(len(order), 1), _ROWS):
        yield order[first : first + _ROWS]


def _derived(
    store: Any, plan: CollaborativePlan, keys: Mapping[str, np.ndarray], visible: np.ndarray, places: np.ndarray
) -> dict[str, np.ndarray]:
    """The features of the rows at these places."""
    sides, positions = [], []
    for key, view, columns in (
        (plan.member_key, plan.member_view, member_columns(plan)),
        (plan.item_key, plan.item_view, item_columns(plan)),
    ):
        rows, place = _rows(store, (key, view), columns, keys[key][places], visible[places])
        sides.append(rows)
        positions.append(place)
    return derive(plan, sides[0], sides[1], Pairs(positions[0], positions[1]))


def _rows(
    store: Any, view: tuple[str, str], columns: dict[str, ColumnKind], keys: np.ndarray, visible: np.ndarray
) -> tuple[Columns, np.ndarray]:
    """The rows of distinct (key, time) of a view, given by key and name, and the position of each given pair's row."""
    codes, distinct = pa.array(keys).dictionary_encode(), np.unique(visible)
    codes, known = codes.indices.to_numpy(), codes.dictionary
    both = codes.astype(np.int64) * len(distinct) + np.searchsorted(distinct, visible)
    needed, position = np.unique(both, return_inverse=True)
    key, name = view
    own = known.take(pa.array(needed // max(len(distinct), 1))).to_numpy(zero_copy_only=False)
    found = features_as_of(store, {key: own}, distinct[needed % max(len(distinct), 1)] + 1, [name])
    rows: dict[str, Any] = {}
    for column, kind in columns.items():
        if kind in ("ints", "floats"):
            rows[column] = ragged(found[column])
        else:
            rows[column] = found[column].fill_null(0).to_numpy()
    return rows, position
