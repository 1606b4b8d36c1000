"""Exact user-user columns: what ``user_user`` serves by factors, from the cosines of every two members.

Similar are members by the cosine of the items they saw, at least 0.03. A column is the mean of their residuals (outcome
minus two-way base) at the item, weighted by it; the other is the sum of the weights.
"""

from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feature_repo.collaborative.base import fit_base, member_effects, residuals
from feature_repo.collaborative.events import Events, Pairs
from feature_repo.collaborative.snapshot import matrix
from models.collaborative.schedule import visible_cuts
from models.spec import Spec
from models.spec.collaborative_plans import collaborative_plans

_LEAST = 0.03
"""A smaller cosine counts as none."""
_ENTRIES = 8_000_000
"""Cosines, or weights of members at items, in memory at once."""


def exact_user_user(
    spec: Spec, name: str, tables: Path, members: pa.Array, items: pa.Array, times: np.ndarray
) -> np.ndarray:
    """(n, 2) float32: both columns of a block, as of the snapshot that is visible at each time (n,), microseconds.

    NaN where the member or the item has no event before its cut. ``tables``: the folder of the canonical tables.
    """
    found = np.full((len(times), 2), np.nan, np.float32)
    cuts = visible_cuts(spec.zone, collaborative_plans(spec)[name].delay, times)
    with duckdb.connect() as connection:
        events = Events(connection, spec, name, tables)
        for cut in np.unique(cuts):
            pairs, rows = events.before(int(cut)), np.flatnonzero(cuts == cut)
            member = _places(members.take(pa.array(rows)), pairs.members)
            item = _places(items.take(pa.array(rows)), pairs.items)
            known = (member >= 0) & (item >= 0)
            found[rows[known]] = _means(pairs, member[known], item[known])
    return found


def _places(keys: pa.Array, known: pa.Array) -> np.ndarray:
    return pc.index_in(keys.cast(known.type), known).fill_null(-1).to_numpy()


def _means(pairs: Pairs, member: np.ndarray, item: np.ndarray) -> np.ndarray:
    """(n, 2) float64 of members and items (n,), by their positions in the pairs."""
    mean, effects = fit_base(pairs)
    left = matrix(pairs, residuals(pairs, mean, member_effects(pairs, mean, effects), effects)).tocsc()
    seen = matrix(pairs, np.ones(len(pairs.item), np.float32))
    unit = seen.multiply(1 / np.sqrt(np.maximum(seen.getnnz(axis=1), 1))[:, None]).tocsr()
    others = unit.T.tocsr()
    found = np.zeros((len(member), 2))
    order = np.argsort(member, kind="stable")
    for rows in _chunks(order, member[order], np.diff(left.indptr)[item[order]], len(pairs.members)):
        own, place = np.unique(member[rows], return_inverse=True)
        cosines = (unit[own] @ others).toarray()
        cosines[cosines < _LEAST] = 0.0
        cosines[np.arange(len(own)), own] = 0.0
        first, count = left.indptr[item[rows]], np.diff(left.indptr)[item[rows]]
        owner = np.repeat(np.arange(len(rows)), count)
        at = np.repeat(first - np.cumsum(count) + count, count) + np.arange(count.sum())
        weights = cosines[place[owner], left.indices[at]].astype(np.float64)
        total = np.bincount(owner, weights, len(rows))
        summed = np.bincount(owner, weights * left.data[at], len(rows))
        found[rows, 0] = np.divide(summed, total, out=np.zeros(len(rows)), where=total > 0)
        found[rows, 1] = total
    return found


def _chunks(order: np.ndarray, member: np.ndarray, viewers: np.ndarray, members: int) -> list[np.ndarray]:
    """Rows in chunks by ascending member (n,), few enough members and viewers (n,) of items at once."""
    begins = np.r_[True, member[1:] != member[:-1]] if len(member) else np.zeros(0, bool)
    cost = np.cumsum(begins) * members // _ENTRIES + np.cumsum(viewers) // _ENTRIES
    return np.split(order, np.flatnonzero(np.diff(cost)) + 1) if len(order) else []
