"""P: the personalized PageRank between nodes, as attention reads it (Choi 2022, arXiv 2205.14259).

The ``TOP`` highest scores of a forward push from node i, i itself among them, symmetrically normalized: P_ij is the
score of j times sqrt(degree of i) / sqrt(degree of j); 0 for all other nodes. A degree of 0 counts as 1.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.graph.arrays import edges_from_arrays
from models.graph.errors import GraphInputError, QueryError
from models.graph.pagerank_graph import Direction, WalkGraph
from models.graph.push import SEEDS_AT_ONCE, WHOLE, reach
from models.graph.schema import GraphSchema
from models.graph.store import TemporalGraph
from models.graph.tree import Tree

RESTART, EPSILON, TOP = 0.25, 1e-4, 32
"""alpha, epsilon and the number of nodes of the paper."""


@dataclass(frozen=True)
class Ranks:
    """P of a batch of seeds, above 0 alone, sorted by key."""

    key: Tensor
    """(n,) int64: position of the seed in the batch * nodes + the other node's number."""
    value: Tensor
    """(n,) float32."""
    nodes: int
    """The number of nodes."""

    def of(self, seed: Tensor, number: Tensor) -> Tensor:
        """P of nodes ``number`` from the seeds at positions ``seed``, int64 of shapes that broadcast; float32."""
        key = seed * self.nodes + number
        if not len(self.key):
            return torch.zeros_like(key, dtype=torch.float32)
        place = torch.searchsorted(self.key, key).clamp(max=len(self.key) - 1)
        return torch.where(self.key[place] == key, self.value[place], 0.0)


@dataclass(frozen=True)
class PlaceRanks:
    """P from the seeds of a tree to themselves and to the places of its first hop."""

    own: Tensor
    """(batch,) float32; 0 where the seed is unknown."""
    places: dict[str, Tensor]
    """By name of the branch: (batch, fan_out) float32; 0 where masked."""


@torch.no_grad()
def ranks_of(
    graph: WalkGraph,
    start: Tensor,
    time: Tensor,
    cold: Tensor | None = None,
    restart: float = RESTART,
    epsilon: float = EPSILON,
    top: int = TOP,
) -> Ranks:
    """P of seeds, on the edges strictly before each one's time; the arguments as in ``push.reach``, (batch,) each."""
    keys, values = [start[:0]], [torch.zeros(0, device=start.device)]
    for first in range(0, len(start), SEEDS_AT_ONCE):
        part = slice(first, first + SEEDS_AT_ONCE)
        own = start[part]
        found = reach(graph, own, time[part], restart, epsilon, None if cold is None else cold[part])
        best = _best(found.key // graph.nodes, found.score, top)
        key, degree = found.key[best], found.degree.clamp(min=1).double()
        seed = key // graph.nodes
        of_seed = degree[torch.searchsorted(found.key, seed * graph.nodes + own[seed])]
        value = found.score[best].double() / WHOLE * (of_seed / degree[best]).sqrt()
        keys.append(key + first * graph.nodes)
        values.append(value.float())
    return Ranks(torch.cat(keys), torch.cat(values), graph.nodes)


def place_ranks(graph: TemporalGraph, schema: GraphSchema, tree: Tree) -> PlaceRanks:
    """P of a tree's seeds as of their times, over all edge types of ``schema`` that the graph holds.

    A seed that is read as cold has no edges of behavior, and others have none to it.
    """
    walks = WalkGraph.whole(graph, schema)
    names, targets = [node.name for node in graph.schema.nodes], schema.targets
    kind = names.index(tree.node)
    start = torch.where(tree.index >= 0, walks.first[kind] + tree.index, -1)
    ranks = ranks_of(walks, start, tree.time, tree.cold)
    seed = torch.arange(len(start), device=start.device)
    places = {
        name: ranks.of(seed.unsqueeze(1), walks.first[names.index(targets[name])] + branch.index) * branch.mask
        for name, branch in tree.branches.items()
    }
    return PlaceRanks(ranks.of(seed, start) * (start >= 0), places)


def ranks_of_edges(
    edge_index: Tensor, nodes: int, restart: float = RESTART, epsilon: float = EPSILON, top: int = TOP
) -> Ranks:
    """P between all nodes of a graph without types and times; the "seeds" are its nodes in order.

    ``edge_index`` (2, edges) int64 as in PyTorch Geometric, messages from row 0 to row 1: a step of a walk goes from a
    node to one that sends it messages, and its degree is the number of these edges. Raises GraphInputError and
    QueryError.
    """
    _check(edge_index, restart, epsilon, top)
    sender, receiver = edge_index
    rows = torch.arange(len(sender), device=sender.device)  # as times: an edge that is there twice counts twice
    edges, _ = edges_from_arrays(receiver, sender, rows, sources=nodes, targets=nodes)
    start = torch.arange(nodes, device=sender.device)
    walks = WalkGraph([nodes], [Direction(edges, None, 0, 0)])
    return ranks_of(walks, start, torch.full_like(start, len(rows)), None, restart, epsilon, top)


def _check(edge_index: Tensor, restart: float, epsilon: float, top: int) -> None:
    if edge_index.dim() != 2 or len(edge_index) != 2:
        raise GraphInputError(
            f"edge_index: expected shape (2, edges); found {tuple(edge_index.shape)}. Put senders into "
            "row 0, receivers into row 1"
        )
    for name, value in (("restart", restart), ("epsilon", epsilon)):
        if not 0 < value < 1:
            raise QueryError(f"{name}: expected a number above 0 and below 1; found {value}")
    if top < 1:
        raise QueryError(f"top: expected 1 or more; found {top}")


def _best(seed: Tensor, score: Tensor, top: int) -> Tensor:
    """The rows of the ``top`` highest scores above 0 of each seed, ties by the earlier row; ascending, (n,) int64."""
    order = score.sort(descending=True, stable=True).indices
    order = order[seed[order].sort(stable=True).indices]
    grouped = seed[order]
    place = torch.arange(len(seed), device=seed.device) - torch.searchsorted(grouped, grouped)
    return order[(place < top) & (score[order] > 0)].sort().values
