"""Simulated cold start: some owners (such as authors) and their items are made to look new."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from benchmarks.studies.buckets import earlier_events
from benchmarks.studies.changes import WithoutTwins
from benchmarks.studies.counted import NONE, Counted
from benchmarks.studies.errors import StudyError
from benchmarks.studies.parts import (
    BEHAVIOUR,
    NOTHING,
    blank_nodes,
    blank_seeds,
    keep_edges,
    keep_seeds,
    keep_versions,
    named,
)
from models.graph.hashing import hash_keys
from models.graph.schema import EdgeType
from models.graph.store import TemporalGraph
from models.graph.tensors import NodeTensors

_BUCKETS = 1_000_000


@dataclass(frozen=True)
class ColdItems:
    """Make a share of all owners look new: as if no one had ever seen them or their items.

    Items and owners lose all behavior, earlier and later, and items all impressions before ``window``. Their IDs become
    IDs that no model has seen, everywhere in the graph. They keep intrinsic edges and the features of their
    first version; later versions reflect what happened to them. Features that count an item's impressions are set
    to their values at an item's first impressions (the median of the train rows with the fewest earlier impressions).
    """

    owner: str
    """Node type of the owners; reached from the item by an intrinsic edge."""
    window: str = "test"
    share: float = 0.1
    history: str = NOTHING
    """Pattern of the item features whose first version already reflects behavior; the graph cannot tell, so they are
    set to missing for these items."""
    counted: Counted = NONE
    missing: tuple[str, ...] = ()
    """Features of an impression that a new item does not have, such as collaborative ones."""
    twins: bool = True
    """Whether impressions keep their cold twins."""

    def __call__(self, graph: TemporalGraph) -> TemporalGraph:
        """Return the graph with these items cold."""
        graph = graph if self.twins else WithoutTwins()(graph)
        schema, item = graph.schema, graph.schema.seeds.item
        new = {self.owner: self._owners(graph), item: self.cold(graph)}
        edges = {}
        for edge in schema.edges:
            tensors = graph.edges[edge.name]
            met = torch.zeros_like(tensors.time, dtype=torch.bool)
            if edge.kind in BEHAVIOUR and edge.source in new:
                met |= torch.repeat_interleave(new[edge.source], tensors.offsets.diff())
            if edge.kind in BEHAVIOUR and edge.target in new:
                met |= new[edge.target][tensors.target.long()]
            edges[edge.name] = keep_edges(tensors, ~met)
        first = _first_impressions(graph)
        start = schema.window(self.window).start
        rows = torch.nonzero(~self.rows(graph) | (graph.seeds.time >= start)).flatten()
        seeds = keep_seeds(graph.seeds, rows)
        held = self.rows(replace(graph, seeds=seeds))
        numbers = _at_first(graph, first, graph.seeds.numbers)
        seeds = blank_seeds(seeds, schema.seeds.features, self.counted.columns("item"), held, numbers)
        seeds = blank_seeds(seeds, schema.seeds.features, set(self.missing), held)
        nodes = {**graph.nodes, **{name: self._as_new(graph, name, which) for name, which in new.items()}}
        return replace(graph, edges=edges, nodes=nodes, seeds=seeds)

    def cold(self, graph: TemporalGraph) -> Tensor:
        """(items,) bool: items of the held-out owners, which are drawn by the hash of their keys."""
        owned, held = self._owned(graph), self._owners(graph)
        edges = graph.edges[owned.name]
        cold = torch.zeros(graph.schema.node(owned.source).count, dtype=torch.bool)
        source = torch.repeat_interleave(edges.offsets.diff())
        cold[source[held[edges.target.long()]]] = True
        return cold

    def rows(self, graph: TemporalGraph) -> Tensor:
        """(seeds,) bool: impressions of cold items."""
        cold, item = self.cold(graph), graph.seeds.item
        return torch.where(item >= 0, cold[item.clamp(min=0)], False)

    def _owners(self, graph: TemporalGraph) -> Tensor:
        """(owners,) bool: held-out owners, by the hash of their keys, which do not change."""
        self._owned(graph)
        return torch.from_numpy(hash_keys(graph.keys(self.owner)) % _BUCKETS < round(self.share * _BUCKETS))

    def _as_new(self, graph: TemporalGraph, name: str, new: Tensor) -> NodeTensors:
        """Keep only the first version of ``new`` nodes, (nodes,) bool, and give them an unseen ID."""
        node, features = graph.schema.node(name), graph.nodes[name]
        owner = torch.repeat_interleave(features.version_offsets.diff())
        first = features.version_offsets[owner] == torch.arange(len(owner))
        kept = first | ~new[owner]
        found = keep_versions(features, kept)
        if name == graph.schema.seeds.item:
            found = blank_nodes(found, node.features, named(node.features, self.history), new[owner[kept]])
        return replace(found, id_hash=_never_met(features.id_hash, node.id_buckets, new))

    def _owned(self, graph: TemporalGraph) -> EdgeType:
        item = graph.schema.seeds.item
        found = [e for e in graph.schema.edges if (e.source, e.target, e.kind) == (item, self.owner, "intrinsic")]
        if not found:
            kinds = sorted({e.target for e in graph.schema.edges if e.source == item and e.kind == "intrinsic"})
            raise StudyError(
                f"owner: expected a node type that an intrinsic edge joins with {item!r} ({', '.join(kinds)}); found "
                f"{self.owner!r}"
            )
        return found[0]


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


def _first_impressions(graph: TemporalGraph) -> Tensor:
    """(n,) int64: the train rows whose items had the fewest impressions since the first window began."""
    train = graph.seeds.rows("train")
    known = train[graph.seeds.item[train] >= 0]
    begun = graph.schema.seeds.windows[0].start
    met = earlier_events(graph, graph.schema.seeds.item, known, since=begun)
    return known[met == met.min()] if len(met) else known


def _at_first(graph: TemporalGraph, rows: Tensor, numbers: Tensor) -> Tensor:
    """(numbers,) float32: the median of each number over the rows; NaN where it is mostly missing, or without rows."""
    if not len(rows):
        return numbers.new_full(numbers.shape[1:], torch.nan)
    there = numbers[rows]
    return torch.where(there.isnan().float().mean(dim=0) > 0.5, torch.nan, there.nanmedian(dim=0).values)
