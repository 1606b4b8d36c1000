"""``EncodedGraph``: any graph of the model's schema, scaled and mapped to codes for one model."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from models.graph import timeline
from models.graph.sample import as_of_version
from models.graph.schema import FeatureColumn, GraphSchema
from models.graph.store import TemporalGraph
from models.graph.tensors import NodeTensors, moved
from models.nn.encoding import Encoding, FeatureEncoding, check_schema
from models.nn.scaling import scale_numbers

WITHOUT_ID = -2
"""The ID hash of a known node that is read as cold."""


@dataclass
class EncodedNodes:
    """One node type's inputs, one row per node state.

    The states are: every version in order, then every node before its first version, then the unknown node. Where seeds
    have cold twins, the states of the side that is read as new follow once more, as those of cold nodes.
    """

    numbers: Tensor
    """(states, dense width) float32: scaled numbers and missing flags, then scaled vectors."""
    categories: Tensor
    """(states, categories) int64 codes of the model."""
    id_hash: Tensor
    """(states,) int64; -1 for the unknown node, -2 for a known one that is read without its ID."""
    first: int
    """Row of this type's first state among the states of all types."""
    one_version: bool = False
    """Whether every node has exactly one version."""
    cold: bool = False
    """Whether all states follow once more as those of cold nodes: without ID and features of behavior."""

    def __len__(self) -> int:
        return len(self.id_hash)

    @property
    def own(self) -> int:
        """Number of states that are not those of cold nodes."""
        return len(self) // 2 if self.cold else len(self)


@dataclass
class EncodedEdges:
    """The attributes of one direction of an edge type, by row of its ``EdgeTensors``.

    An empty edge type has one blank row, since masked places read row 0.
    """

    numbers: Tensor
    """(rows, dense width) float32: scaled numbers and missing flags."""
    categories: Tensor
    """(rows, categories) int32 codes of the model."""


@dataclass
class EncodedGraph:
    """A graph, its node states, its edges' attributes and its seeds' features, ready for the model."""

    graph: TemporalGraph
    nodes: dict[str, EncodedNodes]
    edges: dict[str, EncodedEdges]
    """By name of the edge type, in both directions."""
    impression_numbers: Tensor
    """(seeds, dense width) float32."""
    impression_categories: Tensor
    """(seeds, categories) int64."""
    frozen_numbers: Tensor
    """(seeds, dense width) float32: as of each seed's ``frozen_time``."""
    frozen_categories: Tensor
    """(seeds, categories) int64, as of each seed's ``frozen_time``."""
    surface: Tensor
    """(seeds,) int64: position in the model's surfaces; -1 = unknown to the model."""
    activity_edge: Tensor
    """(activity edges of the graph,) int64: position in the model's activity edges."""

    @property
    def states(self) -> int:
        """Number of node states over all types."""
        return sum(len(nodes) for nodes in self.nodes.values())

    def node_state(self, node: str, index: Tensor, time: Tensor, cold: Tensor | None = None) -> Tensor:
        """The row, among the states of all types, of each node's state strictly before ``time``.

        ``index`` int64 of any shape, -1 = the unknown node; ``time`` int64, broadcastable to it; ``cold`` bool of
        ``index``'s shape: nodes that are read as cold, where seeds have cold twins. Returns int64 of that shape.
        """
        rows, encoded = self.graph.nodes[node], self.nodes[node]
        if encoded.one_version:  # version i belongs to node i: no search needed
            known = timeline.is_before(rows.version_time[index.clamp(min=0)], time)
            version = torch.where(known, index, -1)
        else:
            version = as_of_version(rows, index, time)
        before_first = len(rows.version_time) + index
        state = torch.where(version >= 0, version, before_first)
        state = encoded.first + torch.where(index >= 0, state, encoded.own - 1)
        return state if cold is None else state + cold * encoded.own

    def to(self, device: torch.device | str) -> "EncodedGraph":
        """A copy on that device."""
        tensors = {name: value.to(device) for name, value in vars(self).items() if isinstance(value, Tensor)}
        nodes = {name: moved(nodes, device) for name, nodes in self.nodes.items()}
        edges = {name: moved(edges, device) for name, edges in self.edges.items()}
        return replace(self, graph=self.graph.to(device), nodes=nodes, edges=edges, **tensors)


def encode_graph(encoding: Encoding, schema: GraphSchema, graph: TemporalGraph) -> EncodedGraph:
    """Scale and map a graph's features for a model of that encoding and schema.

    Raises EncodingError if the graph lacks what the model was trained on.
    """
    check_schema(schema, graph.schema)
    nodes, first = {}, 0
    twins = {graph.schema.seeds.item: graph.seeds.cold_item, graph.schema.seeds.member: graph.seeds.cold_member}
    for node in schema.nodes:
        cold = (new := twins.get(node.name)) is not None and bool(new.any())
        nodes[node.name] = _encode_nodes(encoding, graph, node.name, first, cold)
        first += len(nodes[node.name])
    seeds, columns = graph.seeds, graph.schema.seeds.features
    encoding.impression.check("impressions", columns)
    surfaces = [encoding.surface_code(surface) for surface in graph.schema.seeds.surfaces]
    activity_edges = [encoding.activity_edges.index(edge) for edge in graph.schema.activity_edges]
    return EncodedGraph(
        graph=graph,
        nodes=nodes,
        edges={edge.name: _encode_edges(encoding, graph, edge.name) for edge in schema.edges},
        impression_numbers=scale_numbers(encoding.impression.numbers, seeds.numbers),
        impression_categories=encoding.impression.map_categories(columns, seeds.categories),
        frozen_numbers=scale_numbers(encoding.impression.numbers, seeds.frozen_numbers),
        frozen_categories=encoding.impression.map_categories(columns, seeds.frozen_categories),
        surface=torch.tensor(surfaces, dtype=torch.int64, device=graph.device)[seeds.surface],
        activity_edge=torch.tensor(activity_edges, dtype=torch.int64, device=graph.device),
    )


def unknown_node(features: FeatureEncoding, device: torch.device | None = None) -> EncodedNodes:
    """The one state of an unknown node: every number missing, vectors at their mean, no key."""
    numbers = torch.zeros(1, features.dense_width + len(features.vector_means), device=device)
    numbers[:, len(features.numbers) : features.dense_width] = 1.0
    categories = torch.zeros(1, len(features.categories), dtype=torch.int64, device=device)
    return EncodedNodes(numbers, categories, id_hash=torch.tensor([-1], device=device), first=0)


def _encode_edges(encoding: Encoding, graph: TemporalGraph, name: str) -> EncodedEdges:
    rows, columns, features = graph.edges[name], graph.schema.edge(name).attributes, encoding.edge(name)
    assert features is not None
    features.check(f"edge type {name}", columns)
    numbers = scale_numbers(features.numbers, rows.numbers)
    categories = features.map_categories(columns, rows.categories)
    if not len(rows.time):
        numbers, categories = numbers.new_zeros(1, numbers.shape[1]), categories.new_zeros(1, categories.shape[1])
    return EncodedEdges(numbers, categories)


def _encode_nodes(encoding: Encoding, graph: TemporalGraph, name: str, first: int, cold: bool) -> EncodedNodes:
    rows, columns, features = graph.nodes[name], graph.schema.node(name).features, encoding.nodes[name]
    features.check(f"node type {name}", columns)
    without = len(rows.id_hash) + 1
    owner = torch.repeat_interleave(rows.version_offsets.diff(), output_size=len(rows.version_time))
    id_hash = torch.cat([rows.id_hash[owner], rows.id_hash, rows.id_hash.new_full((1,), -1)])
    dense, codes = _states(features, columns, rows, without)
    if cold:
        other = _states(features, columns, without_behavior(rows, columns), without)
        dense, codes = torch.cat([dense, other[0]]), torch.cat([codes, other[1]])
        id_hash = torch.cat([id_hash, torch.where(id_hash < 0, id_hash, WITHOUT_ID)])
    return EncodedNodes(
        numbers=dense,
        categories=codes,
        id_hash=id_hash,
        first=first,
        one_version=len(rows.id_hash) > 0 and bool((rows.version_offsets.diff() == 1).all()),
        cold=cold,
    )


def _states(
    features: FeatureEncoding, columns: Sequence[FeatureColumn], rows: NodeTensors, without: int
) -> tuple[Tensor, Tensor]:
    """Numbers and categories of all versions, then of ``without`` states before any version.

    Before its first version every number of a node is missing, every vector at its mean, every category unknown.
    """
    dense = torch.cat([scale_numbers(features.numbers, rows.numbers), features.scale_vectors(rows.vectors)], dim=1)
    codes = features.map_categories(columns, rows.categories)
    blank = dense.new_zeros(1, dense.shape[1])
    blank[:, len(features.numbers) : features.dense_width] = 1.0
    return torch.cat([dense, blank.expand(without, -1)]), torch.cat([codes, codes.new_zeros(without, codes.shape[1])])


def without_behavior(rows: NodeTensors, columns: Sequence[FeatureColumn]) -> NodeTensors:
    """The versions with every feature of behavior missing, as a build would have encoded them."""
    hidden = {
        kind: [column.behavior for column in columns if column.kind == kind for _ in range(column.size)]
        for kind in ("number", "category", "vector")
    }

    def blanked(values: Tensor, kind: str, missing: float) -> Tensor:
        return values.masked_fill(torch.tensor(hidden[kind], dtype=torch.bool, device=values.device), missing)

    return replace(
        rows,
        numbers=blanked(rows.numbers, "number", torch.nan),
        categories=blanked(rows.categories, "category", 0),
        vectors=blanked(rows.vectors, "vector", 0.0),
    )
