"""Cold buckets: impressions by the number of earlier events of their member or item."""

import numpy as np
import torch
from torch import Tensor

from models.graph.schema import REVERSE
from models.graph.store import TemporalGraph

BUCKETS = ("0", "1-9", "10-29", "30+")
FEW = "0-29"
"""All buckets but the last, combined."""
_STARTS = (1, 10, 30)


def earlier_events(graph: TemporalGraph, node: str, rows: Tensor, since: int | None = None) -> Tensor:
    """Count each seed's earlier engagements, (n,) int64: those of its member or item strictly before it; 0 if unknown.

    ``node``: the member's or the item's node type; ``rows`` (n,) int64 seeds; ``since``: count from this time on,
    microseconds. An event is an edge of kind engagement, of either direction, counted once.
    """
    seeds, schema = graph.seeds, graph.schema.seeds
    index = (seeds.member if node == schema.member else seeds.item)[rows]
    owner, time = index.clamp(min=0), seeds.time[rows]
    total = torch.zeros_like(time)
    for edge in graph.schema.edges:
        other = graph.schema.edge(edge.name.removeprefix(REVERSE))
        twice = edge.name.startswith(REVERSE) and other.source == node  # already counted in the other direction
        if edge.kind != "engagement" or edge.source != node or twice:
            continue
        timeline, offsets = graph.edges[edge.name].timeline, graph.edges[edge.name].offsets
        first = offsets[owner] if since is None else timeline.end(owner, torch.full_like(time, since))
        total += (timeline.end(owner, time) - first).clamp(min=0)
    return torch.where(index >= 0, total, 0)


def bucket_of(events: np.ndarray) -> np.ndarray:
    """Map numbers of earlier events to positions in ``BUCKETS``: (n,) int64."""
    return np.searchsorted(_STARTS, events, side="right")
