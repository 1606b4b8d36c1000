"""Rows of a snapshot as Feast views hold them: one per item, and one per member."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from feature_repo.collaborative.base import member_effects, residuals
from feature_repo.collaborative.events import Pairs
from feature_repo.collaborative.low_rank import member_factors
from feature_repo.collaborative.snapshot import Snapshot, matrix
from feature_repo.collaborative.user_user import member_exposures
from feature_repo.views.times import TIMESTAMP
from models.collaborative.plan import CollaborativePlan, ColumnKind, item_columns, member_columns
from models.features import VALID_FROM

_MEMBERS = 50_000
"""Members of one batch of rows."""
_TYPES: dict[ColumnKind, pa.DataType] = {
    "int": pa.int64(),
    "float": pa.float32(),
    "ints": pa.list_(pa.int64()),
    "floats": pa.list_(pa.float32()),
}


def item_schema(plan: CollaborativePlan, key: pa.DataType) -> pa.Schema:
    """Columns of the items' table: key, valid_from, then the view's."""
    return _schema(plan.item_key, key, item_columns(plan))


def member_schema(plan: CollaborativePlan, key: pa.DataType) -> pa.Schema:
    """Columns of the members' table: key, valid_from, then the view's."""
    return _schema(plan.member_key, key, member_columns(plan))


def item_rows(plan: CollaborativePlan, cut: int, pairs: Pairs, snapshot: Snapshot) -> pa.Table:
    """The rows of all items of a cut (microseconds UTC), by key."""
    count = len(pairs.items)
    columns = {
        "item_cut": np.full(count, cut),
        "item_snapshot": np.full(count, snapshot.id(plan)),
        "item_effect": snapshot.effects,
        "item_factors": _vectors(snapshot.factors),
        "item_exposure_factors": _vectors(snapshot.shown),
    }
    for kind, (hashes, weights) in snapshot.neighbors.items():
        columns[f"{kind}_neighbors"] = _lists(hashes.lengths, hashes.values)
        columns[f"{kind}_weights"] = _lists(hashes.lengths, weights)
    return _table(plan, cut, pairs.items, columns, item_schema(plan, pairs.items.type))


def member_rows(
    plan: CollaborativePlan, cut: int, pairs: Pairs, snapshot: Snapshot, members: pa.Array | None
) -> Iterator[pa.Table]:
    """The rows of these members of a cut (microseconds UTC), by key, in batches; None = of all."""
    if members is not None:
        pairs = pairs.of_members(members)
    number = snapshot.id(plan)
    effects = member_effects(pairs, snapshot.mean, snapshot.effects)
    left = residuals(pairs, snapshot.mean, effects, snapshot.effects)
    schema = member_schema(plan, pairs.members.type)
    for first in range(0, len(pairs.members), _MEMBERS):
        last = min(first + _MEMBERS, len(pairs.members))
        start, end = np.searchsorted(pairs.member, [first, last])
        owner, hashes = pairs.member[start:end] - first, pairs.item_hashes[pairs.item[start:end]]
        order = np.lexsort((hashes, owner))
        lengths = np.bincount(owner, minlength=last - first)
        factors = exposures = np.zeros((last - first, 0), np.float32)
        if snapshot.factors.shape[1]:
            factors = member_factors(matrix(pairs, left, first, last), snapshot.factors, snapshot.values)
        if snapshot.seen.shape[1]:
            exposures = member_exposures(matrix(pairs, np.ones_like(left), first, last), snapshot.seen)
        columns = {
            "member_cut": np.full(last - first, cut),
            "member_snapshot": np.full(last - first, number),
            "mean": np.full(last - first, snapshot.mean),
            "member_effect": effects[first:last],
            "seen": _lists(lengths, hashes[order]),
            "residual": _lists(lengths, left[start:end][order]),
            "positive": _lists(lengths, pairs.positive[start:end][order].astype(np.float32)),
            "member_factors": _vectors(factors),
            "member_exposure_factors": _vectors(exposures),
        }
        yield _table(plan, cut, pairs.members[first:last], columns, schema)


def _schema(key: str, kind: pa.DataType, columns: dict[str, ColumnKind]) -> pa.Schema:
    return pa.schema([(key, kind), (VALID_FROM, TIMESTAMP), *((name, _TYPES[kind]) for name, kind in columns.items())])


def _table(
    plan: CollaborativePlan, cut: int, keys: pa.Array, columns: dict[str, np.ndarray | pa.Array], schema: pa.Schema
) -> pa.Table:
    """The columns of the schema, valid from the cut plus the delay on."""
    valid_from = pa.array(np.full(len(keys), cut + plan.delay), pa.int64()).cast(TIMESTAMP)
    named = {f"{plan.name}_{name}": values for name, values in columns.items()}
    found = [keys, valid_from, *(_array(named[name]) for name in schema.names[2:])]
    return pa.Table.from_arrays(found, schema=schema)


def _array(values: np.ndarray | pa.Array) -> pa.Array:
    return pa.array(values) if isinstance(values, np.ndarray) else values


def _vectors(values: np.ndarray) -> pa.Array:
    """(rows, n) as a list of n for each row."""
    return _lists(np.full(len(values), values.shape[1]), values.ravel())


def _lists(lengths: np.ndarray, values: np.ndarray) -> pa.Array:
    offsets = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values))
