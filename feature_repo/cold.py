"""Cold twins: training rows that get a copy whose item is read as one that was never shown.

In training, few exposures mostly mean that an item was shown and not liked, so a model that only sees such rows scores
new items too low. Twins show it items of every quality without their past. This module decides which rows get one and
how an item is read as new; the graph leaves out edges and IDs (``models.graph.sample``).
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from models.columns import WINDOW
from models.graph.hashing import hash_keys
from models.spec import Spec

_NO_KEY = {"int": -(2**63), "string": "\x01 heliograph: no such item"}
"""A key that no item has: whatever is stored by the item is read as for one that was never shown."""
_TWINNED = ("train", "validate")
_BITS = 20


def drawn(spec: Spec, tables: Path, rows: pa.Table) -> pa.Array:
    """(rows,) bool: the impressions that get a cold twin, ``training.cold_share`` of those in train and validate.

    They are drawn by the hash of their key, so the draw is reproducible and independent of member and outcome. A row
    gets none if the member was shown the item before: then the item could not be new.
    """
    shown = spec.impressions
    inside = np.isin(rows[WINDOW].to_numpy(zero_copy_only=False), _TWINNED)
    # The upper bits: the remainder draws the frozen time.
    chance = (hash_keys(rows[shown.key].combine_chunks()) >> (63 - _BITS)) / 2**_BITS
    return pa.array(inside & (chance < spec.training.cold_share) & _first_exposures(spec, tables, rows))


def behavior_views(spec: Spec) -> list[str]:
    """The item's views with ``behavior``."""
    return [name for name, view in spec.nodes[spec.impressions.item.node].views.items() if view.behavior]


def as_new_items(spec: Spec, keys: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The join keys, (rows,) each by name, with a key in the item's place that no item has."""
    node = spec.nodes[spec.impressions.item.node]
    place = keys[node.key]
    return {**keys, node.key: np.full(len(place), _NO_KEY[node.key_type], place.dtype)}


def _first_exposures(spec: Spec, tables: Path, rows: pa.Table) -> np.ndarray:
    """(rows,) bool: impressions that are the member's first of that item in the whole table."""
    shown = spec.impressions
    pair = [shown.member.column, shown.item.column]
    everything = pq.read_table(tables / f"{shown.table}.parquet", columns=[*pair, shown.time]).to_pandas()
    first = everything.groupby(pair, sort=False)[shown.time].min().rename("first").reset_index()
    own = rows.select([*pair, shown.time]).to_pandas().merge(first, on=pair, how="left")
    # A sampled negative (docs/negatives.md) may be a pair that the table never has.
    return (own["first"].isna() | (own[shown.time] <= own["first"])).to_numpy()
