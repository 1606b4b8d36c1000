"""Simulated cold start: some owners (such as authors) and their items are made to look new."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from benchmarks.studies.as_new import at_first, drawn, first_versions, without_behavior
from benchmarks.studies.changes import WithoutTwins
from benchmarks.studies.counted import NONE, Counted
from benchmarks.studies.errors import StudyError
from benchmarks.studies.parts import NOTHING, blank_seeds, keep_seeds
from models.graph.schema import EdgeType
from models.graph.store import TemporalGraph


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
        new, numbers = {self.owner: self._owners(graph), item: self.cold(graph)}, at_first(graph, item)
        start = schema.window(self.window).start
        rows = torch.nonzero(~self.rows(graph) | (graph.seeds.time >= start)).flatten()
        seeds = keep_seeds(graph.seeds, rows)
        held = self.rows(replace(graph, seeds=seeds))
        seeds = blank_seeds(seeds, schema.seeds.features, self.counted.columns("item"), held, numbers)
        seeds = blank_seeds(seeds, schema.seeds.features, set(self.missing), held)
        patterns = {self.owner: NOTHING, item: self.history}
        nodes = {name: first_versions(graph, name, which, patterns[name]) for name, which in new.items()}
        return replace(graph, edges=without_behavior(graph, new), nodes={**graph.nodes, **nodes}, seeds=seeds)

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
        return drawn(graph, self.owner, self.share)

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
