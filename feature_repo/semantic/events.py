"""Events of a block with the vectors of their targets, out of the canonical tables, in the order of time."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from models.filters import mask
from models.spec import Spec
from models.spec.edges import Edge

_TIME = "datetime64[us, UTC]"
_KEYS = {"int": "int64", "string": "object"}


class Events(NamedTuple):
    """e events whose target had a vector then, by time."""

    keys: pd.Index
    """(k,) keys of the block's nodes."""
    node: np.ndarray
    """(e,) int64 positions in ``keys``."""
    time: np.ndarray
    """(e,) int64 microseconds UTC: when the event is known."""
    weight: np.ndarray
    """(e,) float64 above 0."""
    vectors: np.ndarray
    """(e, d) float32."""


def events_of(spec: Spec, name: str, tables: Mapping[str, pd.DataFrame]) -> Events:
    """The events of a block; those without a key, a time or a vector of the target are none."""
    block = spec.semantic_ids[name]
    target = spec.nodes[spec.edges[block.events[0]].target.node]
    view = next(one for view, one in target.views.items() if block.vector in one.features and view != name)
    versions = tables[view.table][[target.key, view.time, block.vector]].dropna()
    versions = versions.rename(columns={target.key: "target", view.time: "time"})
    own, other = (_KEYS[spec.nodes[one].key_type] for one in (block.node, spec.edges[block.events[0]].target.node))
    versions = versions.astype({"time": _TIME, "target": other}).sort_values("time", kind="stable")
    parts = [_edge(spec.edges[event], tables[spec.edges[event].table]) for event in block.events]
    rows = pd.concat(parts, ignore_index=True).dropna(subset=["node", "target", "time"])
    rows = rows.astype({"node": own, "target": other}).sort_values("time", kind="stable").reset_index(drop=True)
    known = pd.merge_asof(rows, versions, on="time", by="target", allow_exact_matches=False)
    known = known[known[block.vector].notna()]
    places, keys = pd.factorize(known["node"], sort=True)
    size = next(one.size for one in view.typed if one.name == block.vector)
    vectors = np.stack(known[block.vector].to_list()) if len(known) else np.zeros((0, size))
    return Events(
        pd.Index(keys),
        places.astype(np.int64),
        known["time"].to_numpy("datetime64[us]").astype(np.int64),
        known["weight"].to_numpy(float),
        vectors.astype(np.float32),
    )


def _edge(edge: Edge, table: pd.DataFrame) -> pd.DataFrame:
    """Columns node, target, time and weight of the rows that an edge type keeps."""
    kept = table[mask(table, edge.filter)] if edge.filter else table
    weight = kept[edge.weight].to_numpy(float) if edge.weight else np.ones(len(kept))
    found = kept[[edge.source.column, edge.target.column, str(edge.time)]]
    found = found.set_axis(["node", "target", "time"], axis=1).astype({"time": _TIME})
    return found.assign(weight=weight)
