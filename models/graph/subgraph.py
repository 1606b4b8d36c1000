"""Trees as nodes and edges: what PyTorch Geometric calls a disjoint subgraph, with ids of the stored edges."""

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
    """Finds the row of a stored edge by its source, target and time, which no two edges of a type share."""

    def __init__(self, edges: EdgeTensors, targets: int) -> None:
        """``targets``: how many nodes the target's type has. Holds 16 bytes an edge."""
        self.edges, self.targets = edges, targets
        source = torch.repeat_interleave(edges.offsets.diff())
        self.keys, self.rows = self._key(source, edges.target.long(), edges.time).sort()

    def find(self, source: Tensor, target: Tensor, time: Tensor) -> Tensor:
        """(edges,) int64 each, of stored edges -> (edges,) int64."""
        return self.rows[torch.searchsorted(self.keys, self._key(source, target, time))]

    def _key(self, source: Tensor, target: Tensor, time: Tensor) -> Tensor:
        """Edges of one source and time lie side by side: the row of the first and the target tell one from another."""
        return self.edges.timeline.end(source, time) * self.targets + target


def edge_rows(graph: TemporalGraph) -> dict[str, EdgeRows]:
    """By name of the edge type."""
    schema = graph.schema
    return {edge.name: EdgeRows(graph.edges[edge.name], schema.node(edge.target).count) for edge in schema.edges}


@dataclass
class Subgraph:
    """Nodes and edges by type. Every place of a tree is a node of its own: one that two branches reach is there twice.

    Seeds come first, in the order of the trees, then hop by hop, so that PyG's ``trim_to_layer`` works.
    """

    node: dict[str, Tensor]
    """(nodes,) int64 each."""
    batch: dict[str, Tensor]
    """(nodes,) int64 each: the number of the node's seed."""
    row: dict[EdgeName, Tensor]
    """(edges,) int64 each: the neighbour's position among the nodes of its type."""
    col: dict[EdgeName, Tensor]
    """(edges,) int64 each: the parent's position."""
    edge: dict[EdgeName, Tensor | None]
    """(edges,) int64 each: the edge's row in ``TemporalGraph.edges``; None for PageRank branches, never stored."""
    nodes_per_hop: dict[str, list[int]]
    """hops + 1 numbers each: seeds, then those of every hop."""
    edges_per_hop: dict[EdgeName, list[int]]
    """hops numbers each."""

    @classmethod
    def empty(cls, schema: GraphSchema, hops: int, device: torch.device) -> "Subgraph":
        """Without nodes, with all types."""
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
        """(nodes,) int64: the positions of the added ones among the nodes of their type."""
        first = len(self.node[node])
        self.node[node] = torch.cat([self.node[node], index])
        self.batch[node] = torch.cat([self.batch[node], batch])
        self.nodes_per_hop[node][hop] += len(index)
        return torch.arange(first, first + len(index), device=index.device)

    def add_edges(self, hop: int, name: EdgeName, row: Tensor, col: Tensor, edge: Tensor | None) -> None:
        """Add edges of one type; ``edge`` None where the type is not stored."""
        self.row[name] = torch.cat([self.row[name], row])
        self.col[name] = torch.cat([self.col[name], col])
        before = self.edge[name]
        self.edge[name] = None if before is None or edge is None else torch.cat([before, edge])
        self.edges_per_hop[name][hop] += len(row)


@dataclass
class _Parents:
    """The places of one branch, or the seeds of one tree; position -1 where masked."""

    index: Tensor
    position: Tensor
    batch: Tensor
    branches: Mapping[str, Branch]


def subgraph_of(
    schema: GraphSchema, hops: int, rows: Mapping[str, EdgeRows], trees: Sequence[tuple[Tree, Tensor]]
) -> Subgraph:
    """One or more trees of ``hops`` side by side; with each, (batch,) int64: the numbers of its seeds, all known."""
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
        position=torch.full_like(branch.index, -1).masked_scatter(branch.mask, position).flatten(),
        batch=parents.batch.repeat_interleave(branch.index.shape[1]),
        branches=branch.branches,
    )
