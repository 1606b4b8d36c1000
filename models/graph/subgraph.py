"""Trees as nodes and edges, a disjoint subgraph in the sense of PyTorch Geometric, with ids of the stored edges."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from models.graph.hetero import EdgeName, message_type
from models.graph.schema import GraphSchema
from models.graph.store import TemporalGraph
from models.graph.tensors import EdgeTensors
from models.graph.tree import Branch, Tree


class EdgeRows:
    """Finds the row of a stored edge by its source, target and time, which are unique within an edge type."""

    def __init__(self, edges: EdgeTensors, targets: int) -> None:
        """``targets``: the number of nodes of the target's type. Needs 16 bytes per edge."""
        self.edges, self.targets = edges, targets
        source = torch.repeat_interleave(edges.offsets.diff())
        self.keys, self.rows = self._key(source, edges.target.long(), edges.time).sort()

    def find(self, source: Tensor, target: Tensor, time: Tensor) -> Tensor:
        """The rows (edges,) int64 of stored edges, given as (edges,) int64 each."""
        return self.rows[torch.searchsorted(self.keys, self._key(source, target, time))]

    def _key(self, source: Tensor, target: Tensor, time: Tensor) -> Tensor:
        """A unique number per edge. Edges of one source and time are adjacent: the first one's row and the target."""
        return self.edges.timeline.end(source, time) * self.targets + target


def edge_rows(graph: TemporalGraph) -> dict[str, EdgeRows]:
    """An ``EdgeRows`` for each edge type, by name."""
    schema = graph.schema
    return {edge.name: EdgeRows(graph.edges[edge.name], schema.node(edge.target).count) for edge in schema.edges}


@dataclass
class Subgraph:
    """Nodes and edges by type. Every place of a tree is a separate node, also if two branches reach the same node.

    Seeds come first, in the order of the trees, then hop by hop, as PyG's ``trim_to_layer`` expects.
    """

    node: dict[str, Tensor]
    """(nodes,) int64 each: index in the graph."""
    batch: dict[str, Tensor]
    """(nodes,) int64 each: the number of the node's seed."""
    row: dict[EdgeName, Tensor]
    """(edges,) int64 each: the neighbor's position among the nodes of its type."""
    col: dict[EdgeName, Tensor]
    """(edges,) int64 each: the parent's position."""
    edge: dict[EdgeName, Tensor | None]
    """(edges,) int64 each: the edge's row in ``TemporalGraph.edges``; None for PageRank branches."""
    nodes_per_hop: dict[str, list[int]]
    """hops + 1 counts each: seeds, then the nodes of every hop."""
    edges_per_hop: dict[EdgeName, list[int]]
    """hops counts each."""

    @classmethod
    def empty(cls, schema: GraphSchema, hops: int, device: torch.device) -> "Subgraph":
        """All types, without nodes and edges."""
        nothing = torch.empty(0, dtype=torch.int64, device=device)
        nodes = [node.name for node in schema.nodes]
        stored = [message_type(schema, edge.name) for edge in schema.edges]
        edges = stored + [message_type(schema, rank.name) for rank in schema.pageranks]
        return cls(
            node=dict.fromkeys(nodes, nothing),
            batch=dict.fromkeys(nodes, nothing),
            row=dict.fromkeys(edges, nothing),
            col=dict.fromkeys(edges, nothing),
            edge={edge: nothing if edge in stored else None for edge in edges},
            nodes_per_hop={node: [0] * (hops + 1) for node in nodes},
            edges_per_hop={edge: [0] * hops for edge in edges},
        )

    def add_nodes(self, hop: int, node: str, index: Tensor, batch: Tensor) -> Tensor:
        """Add nodes ``index`` (nodes,) with seed numbers ``batch`` (nodes,); return their positions, (nodes,) int64."""
        first = len(self.node[node])
        self.node[node] = torch.cat([self.node[node], index])
        self.batch[node] = torch.cat([self.batch[node], batch])
        self.nodes_per_hop[node][hop] += len(index)
        return torch.arange(first, first + len(index), device=index.device)

    def add_edges(self, hop: int, name: EdgeName, row: Tensor, col: Tensor, edge: Tensor | None) -> None:
        """Add edges of one type, (edges,) int64 each; ``edge`` None if the type is not stored."""
        self.row[name] = torch.cat([self.row[name], row])
        self.col[name] = torch.cat([self.col[name], col])
        before = self.edge[name]
        self.edge[name] = None if before is None or edge is None else torch.cat([before, edge])
        self.edges_per_hop[name][hop] += len(row)


@dataclass
class _Parents:
    """The places of one branch, or the seeds of one tree; position 0 where masked."""

    index: Tensor
    position: Tensor
    batch: Tensor
    branches: Mapping[str, Branch]


def subgraph_of(
    schema: GraphSchema, hops: int, rows: Mapping[str, EdgeRows], trees: Sequence[tuple[Tree, Tensor]]
) -> Subgraph:
    """One or more trees of depth ``hops`` as one subgraph.

    Each tree comes with the numbers of its seeds, (batch,) int64; all seeds are known nodes. ``rows`` finds the ids of
    stored edges; edge types that are not in it get none.
    """
    found = Subgraph.empty(schema, hops, trees[0][0].index.device)
    level = []
    for tree, batch in trees:
        position = found.add_nodes(0, tree.node, tree.index, batch)
        level.append(_Parents(tree.index, position, batch, tree.branches))
    for hop in range(hops):
        level = [
            _grow(found, message_type(schema, name), hop, rows, parents, branch)
            for parents in level
            for name, branch in parents.branches.items()
        ]
    return found


def _grow(
    found: Subgraph, name: EdgeName, hop: int, rows: Mapping[str, EdgeRows], parents: _Parents, branch: Branch
) -> _Parents:
    """Add a branch's places and the edges from them to their parents; its places are parents of the next hop."""
    parent, index = branch.mask.nonzero()[:, 0], branch.index[branch.mask]
    position = found.add_nodes(hop + 1, name[0], index, parents.batch[parent])
    edge = None
    if name[1] in rows:
        edge = rows[name[1]].find(index, parents.index[parent], branch.edge_time[branch.mask])
    found.add_edges(hop, name, position, parents.position[parent], edge)
    return _Parents(
        index=branch.index.flatten(),
        position=torch.zeros_like(branch.index).masked_scatter(branch.mask, position).flatten(),
        batch=parents.batch.repeat_interleave(branch.index.shape[1]),
        branches=branch.branches,
    )
