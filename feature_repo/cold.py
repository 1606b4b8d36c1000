"""Cold twins: training rows that get a copy whose item, or whose member, is read as one that was never met.

In training, few exposures mostly mean that an item was shown and not liked, so a model that only sees such rows scores
new items too low. Twins show it items of every quality without their past, and members of every taste without theirs.
This module decides which rows get one and how a side is read as new; the graph leaves out edges, activities and IDs
(``models.graph.sample``).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from models.columns import TWINS, WINDOW
from models.graph.hashing import hash_keys
from models.spec import Spec
from models.spec.schema import Column

_NO_KEY: dict[str, Any] = {"int": -(2**63), "string": "\x01 heliograph: no such key"}
"""A key that no node has: whatever is stored by it is read as for an item that was never shown, or a new member."""
_TWINNED = ("train", "validate")
_BITS = 20


def twin_sides(spec: Spec) -> list[str]:
    """The sides, out of item and member, on which rows get cold twins."""
    return [side for side in TWINS if _share(spec, side)]


def twins_of(spec: Spec, tables: Path, rows: pa.Table, side: str) -> pa.Table:
    """The ``rows`` that get a twin on that side, as the twins' rows.

    Half of the twins on the member's side have no member that anything knows, as in a request before a new member's
    first vectors; the other half keep theirs, whose views of behavior ``as_new`` hides.
    """
    twins = rows.filter(drawn(spec, tables, rows, side))
    if side == "item":
        return twins
    column = _column(spec, side)
    unknown = pa.array((_hashes(spec, twins) >> (62 - _BITS)) & 1 == 1)
    place, values = twins.schema.get_field_index(column.column), twins[column.column]
    no_key = pa.scalar(_no_key(spec, side), values.type)
    return twins.set_column(place, twins.schema.field(place), pc.if_else(unknown, no_key, values))


def drawn(spec: Spec, tables: Path, rows: pa.Table, side: str) -> pa.Array:
    """(rows,) bool: the impressions that get a twin on that side, its share of those in train and validate.

    They are drawn by the hash of their key, so the draw is reproducible and independent of member and outcome; the
    sides draw from opposite ends, so that no row has two twins unless the shares sum to more than 1. A row gets none if
    the member was shown the item before: then neither could be new to the other.
    """
    inside = np.isin(rows[WINDOW].to_numpy(zero_copy_only=False), _TWINNED)
    # The upper bits: the remainder draws the frozen time.
    chance, share = (_hashes(spec, rows) >> (63 - _BITS)) / 2**_BITS, _share(spec, side)
    chosen = chance < share if side == "item" else chance >= 1 - share
    return pa.array(inside & chosen & _first_exposures(spec, tables, rows))


def behavior_views(spec: Spec, side: str) -> list[str]:
    """The side's views with ``behavior``."""
    return [name for name, view in spec.nodes[_column(spec, side).node].views.items() if view.behavior]


def as_new(spec: Spec, keys: Mapping[str, np.ndarray], side: str) -> dict[str, np.ndarray]:
    """The join keys, (rows,) each by name, with a key in that side's place that no node has."""
    key = spec.nodes[_column(spec, side).node].key
    return {**keys, key: np.full(len(keys[key]), _no_key(spec, side), keys[key].dtype)}


def _share(spec: Spec, side: str) -> float:
    return spec.training.cold_share if side == "item" else spec.training.cold_member_share


def _column(spec: Spec, side: str) -> Column:
    return dict(spec.node_columns())[side]


def _no_key(spec: Spec, side: str) -> Any:
    return _NO_KEY[spec.nodes[_column(spec, side).node].key_type]


def _hashes(spec: Spec, rows: pa.Table) -> np.ndarray:
    """(rows,) int64: of the impressions' keys."""
    return hash_keys(rows[spec.impressions.key].combine_chunks())


def _first_exposures(spec: Spec, tables: Path, rows: pa.Table) -> np.ndarray:
    """(rows,) bool: impressions that are the member's first of that item in the whole table."""
    shown = spec.impressions
    pair = [shown.member.column, shown.item.column]
    everything = pq.read_table(tables / f"{shown.table}.parquet", columns=[*pair, shown.time]).to_pandas()
    first = everything.groupby(pair, sort=False)[shown.time].min().rename("first").reset_index()
    own = rows.select([*pair, shown.time]).to_pandas().merge(first, on=pair, how="left")
    # A sampled negative (docs/negatives.md) may be a pair that the table never has.
    return (own["first"].isna() | (own[shown.time] <= own["first"])).to_numpy()
