"""One surface only: features that count impressions are counted again from the surface's impressions."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from benchmarks.studies.counted import NONE, Counted
from benchmarks.studies.errors import StudyError
from benchmarks.studies.parts import (
    BEHAVIOUR,
    NOTHING,
    blank_nodes,
    blank_seeds,
    counted_anew,
    keep_edges,
    keep_seeds,
    named,
)
from benchmarks.studies.recount import Columns, recount
from models.graph.schema import EdgeType, FeatureColumn
from models.graph.store import TemporalGraph
from models.graph.tensors import EdgeTensors


@dataclass(frozen=True)
class OneSurface:
    """Keep one surface only: its impressions, its edges, and the intrinsic edges.

    Of an impression's features, counters by surface stay (they count this surface only, smoothed by the
    overall rate), and those that ``recount`` can compute from the surface's impressions are recomputed.
    """

    surface: str
    attribute: str = "surface"
    """Edge attribute with the surface on which the edge was created."""
    elsewhere: str = ""
    """Pattern of the other impression features that depend on other surfaces; they are set to missing; "" = all."""
    elsewhere_nodes: str = NOTHING
    """The same for node features."""
    counted: Counted = NONE

    def __call__(self, graph: TemporalGraph) -> TemporalGraph:
        """Return the graph without the other surfaces.

        Behavior edges (engagement, affinity) belong to the surface if the edge's attribute says so, or if their domain
        has the surface's name.
        """
        surfaces = graph.schema.seeds.surfaces
        if self.surface not in surfaces:
            raise StudyError(f"surface: expected one of {', '.join(surfaces)}; found {self.surface!r}")
        edges = {}
        for edge in graph.schema.edges:
            tensors = graph.edges[edge.name]
            if edge.kind in BEHAVIOUR and edge.domain != self.surface:
                edges[edge.name] = keep_edges(tensors, self._own(edge, tensors))
            else:
                edges[edge.name] = tensors
        rows = torch.nonzero(graph.seeds.surface == surfaces.index(self.surface)).flatten()
        nodes = {
            node.name: blank_nodes(graph.nodes[node.name], node.features, named(node.features, self.elsewhere_nodes))
            for node in graph.schema.nodes
        }
        own = replace(graph, edges=edges, nodes=nodes, seeds=keep_seeds(graph.seeds, rows))
        features, columns = graph.schema.seeds.features, recount(own, self.counted)
        if unknown := {context.column for context in self.counted.context} - {feature.name for feature in features}:
            raise StudyError(f"context: expected features of the impressions; found {', '.join(sorted(unknown))}")
        hidden = self._hidden(features, columns)
        return replace(own, seeds=counted_anew(blank_seeds(own.seeds, features, hidden), features, columns))

    def hidden(self, graph: TemporalGraph) -> set[str]:
        """The features that are set to missing."""
        rows = torch.nonzero(graph.seeds.surface == graph.schema.seeds.surfaces.index(self.surface)).flatten()
        own = replace(graph, seeds=keep_seeds(graph.seeds, rows))
        return self._hidden(graph.schema.seeds.features, recount(own, self.counted))

    def _hidden(self, features: tuple[FeatureColumn, ...], columns: Columns) -> set[str]:
        return named(features, self.elsewhere) - self.counted.columns("surface") - set(columns)

    def _own(self, edge: EdgeType, tensors: EdgeTensors) -> Tensor:
        """(rows,) bool: edges created on the surface."""
        coded = [column for column in edge.attributes if column.kind == "category"]
        for place, column in enumerate(coded):
            if column.name == self.attribute and self.surface in column.vocabulary:
                return tensors.categories[:, place] == column.vocabulary.index(self.surface) + 1
        return torch.zeros_like(tensors.time, dtype=torch.bool)
