"""Simulated cold start: what nodes and impressions have that were never met, whichever node type is held out."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from benchmarks.studies.buckets import earlier_events
from benchmarks.studies.errors import StudyError
from benchmarks.studies.parts import BEHAVIOUR, blank_nodes, keep_edges, keep_versions, named
from models.graph.hashing import hash_keys
from models.graph.store import TemporalGraph
from models.graph.tensors import EdgeTensors, NodeTensors

_BUCKETS = 1_000_000


def drawn(graph: TemporalGraph, node: str, share: float) -> Tensor:
    """(nodes,) bool: that share of a node type, by the hash of the keys, which do not change."""
    return torch.from_numpy(hash_keys(graph.keys(node)) % _BUCKETS < round(share * _BUCKETS))


def without_behavior(graph: TemporalGraph, new: Mapping[str, Tensor]) -> dict[str, EdgeTensors]:
    """The edges by type without those of behavior, earlier and later, of ``new`` nodes: by type, (nodes,) bool."""
    edges = {}
    for edge in graph.schema.edges:
        tensors = graph.edges[edge.name]
        met = torch.zeros_like(tensors.time, dtype=torch.bool)
        if edge.kind in BEHAVIOUR and edge.source in new:
            met |= torch.repeat_interleave(new[edge.source], tensors.offsets.diff())
        if edge.kind in BEHAVIOUR and edge.target in new:
            met |= new[edge.target][tensors.target.long()]
        edges[edge.name] = keep_edges(tensors, ~met)
    return edges


def first_versions(graph: TemporalGraph, name: str, new: Tensor, history: str) -> NodeTensors:
    """A node type whose ``new`` nodes, (nodes,) bool, keep their first version alone and have an unseen ID.

    ``history``: pattern of the features that are missing even there.
    """
    node, features = graph.schema.node(name), graph.nodes[name]
    owner = torch.repeat_interleave(features.version_offsets.diff())
    first = features.version_offsets[owner] == torch.arange(len(owner))
    kept = first | ~new[owner]
    found = keep_versions(features, kept)
    found = blank_nodes(found, node.features, named(node.features, history), new[owner[kept]])
    return replace(found, id_hash=_never_met(features.id_hash, node.id_buckets, new))


def at_first(graph: TemporalGraph, node: str) -> Tensor:
    """(numbers,) float32: the impressions' numbers at a member's or an item's first impressions.

    The median over the train rows whose ``node`` had the fewest engagements since the first window began; NaN where it
    is mostly missing, or without rows.
    """
    seeds, train = graph.seeds, graph.seeds.rows("train")
    index = seeds.member if node == graph.schema.seeds.member else seeds.item
    known = train[index[train] >= 0]
    met = earlier_events(graph, node, known, since=graph.schema.seeds.windows[0].start)
    rows = known[met == met.min()] if len(met) else known
    if not len(rows):
        return seeds.numbers.new_full(seeds.numbers.shape[1:], torch.nan)
    there = seeds.numbers[rows]
    return torch.where(there.isnan().float().mean(dim=0) > 0.5, torch.nan, there.nanmedian(dim=0).values)


def _never_met(id_hash: Tensor, buckets: int, new: Tensor) -> Tensor:
    """(nodes,) int64: the ``new`` nodes' hashes stay distinct and fall into a bucket that no other node uses."""
    if not buckets:
        return id_hash
    free = torch.ones(buckets, dtype=torch.bool)
    free[id_hash[~new] % buckets] = False
    if new.any() and not free.any():
        raise StudyError(f"id_buckets: expected a bucket without a node, for new ones; found {buckets}, all taken")
    bucket = int(free.int().argmax())
    return torch.where(new, bucket + buckets * (1 + torch.arange(len(new))), id_hash)
