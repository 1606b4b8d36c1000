"""Simulated cold start: some members are made to look new."""

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from benchmarks.studies.as_new import at_first, drawn, first_versions, without_behavior
from benchmarks.studies.changes import WithoutMemberTwins, WithoutTwins
from benchmarks.studies.counted import NONE, Counted
from benchmarks.studies.parts import NOTHING, blank_seeds, keep_seeds
from models.graph.store import TemporalGraph

Twins = Literal["all", "items", "none"]


@dataclass(frozen=True)
class ColdMembers:
    """Make a share of all members look new: as if they had never been seen.

    They lose all behavior, earlier and later, and all impressions before ``window``. Their IDs become IDs that no model
    has seen. They keep intrinsic edges and the features of their first version; later versions reflect what they did.
    Features that count a member's impressions are set to their values at a member's first impressions (the median of
    the train rows of the members with the fewest earlier engagements).
    """

    window: str = "test"
    share: float = 0.1
    history: str = NOTHING
    """Pattern of the member features whose first version already reflects behavior; the graph cannot tell, so they are
    set to missing for these members."""
    counted: Counted = NONE
    missing: tuple[str, ...] = ()
    """Features of an impression that a new member does not have, such as collaborative ones."""
    known: bool = True
    """Whether the members have vectors; without, nothing knows them, as before their first push: no profile either."""
    twins: Twins = "all"
    """The cold twins that impressions keep."""

    def __call__(self, graph: TemporalGraph) -> TemporalGraph:
        """Return the graph with these members cold."""
        graph = self._with_twins(graph)
        schema, name = graph.schema, graph.schema.seeds.member
        new, numbers = self.cold(graph), at_first(graph, name)
        kept = ~self.rows(graph) | (graph.seeds.time >= schema.window(self.window).start)
        seeds = keep_seeds(graph.seeds, torch.nonzero(kept).flatten())
        held = self.rows(replace(graph, seeds=seeds))
        seeds = blank_seeds(seeds, schema.seeds.features, self.counted.columns("member"), held, numbers)
        seeds = blank_seeds(seeds, schema.seeds.features, set(self.missing), held)
        if not self.known:
            seeds = replace(seeds, member=seeds.member.masked_fill(held, -1))
        nodes = {**graph.nodes, name: first_versions(graph, name, new, self.history)}
        return replace(graph, edges=without_behavior(graph, {name: new}), nodes=nodes, seeds=seeds)

    def cold(self, graph: TemporalGraph) -> Tensor:
        """(members,) bool: the held-out members, which are drawn by the hash of their keys."""
        return drawn(graph, graph.schema.seeds.member, self.share)

    def rows(self, graph: TemporalGraph) -> Tensor:
        """(seeds,) bool: impressions of cold members."""
        cold, member = self.cold(graph), graph.seeds.member
        return torch.where(member >= 0, cold[member.clamp(min=0)], False)

    def _with_twins(self, graph: TemporalGraph) -> TemporalGraph:
        if self.twins == "all":
            return graph
        return WithoutTwins()(graph) if self.twins == "none" else WithoutMemberTwins()(graph)
