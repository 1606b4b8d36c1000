"""Heterogeneous attention over trees of fixed fan-out, from the leaves up (LiGNN, arXiv 2402.11139).

Every edge type has its own bilinear form between parent and neighbor: the query absorbs the key's projection, since
q . (K x) = (K' q) . x, and the output map absorbs the value's. A place then costs one gather and two dot products,
which a CPU can afford, and is as expressive as separate keys and values per edge type.
"""

import math
from collections.abc import Iterator, Mapping
from typing import cast

import torch
from torch import Tensor, nn

from models.configs.model import ModelConfig
from models.graph.ranks import TOP, PlaceRanks
from models.graph.schema import GraphSchema
from models.graph.tree import Branch
from models.nn.dropout import Dropout
from models.nn.edges import EDGE_FEATURES, EdgeEncoder, attributes_of
from models.nn.encoded import EncodedEdges
from models.nn.encoding import Encoding
from models.nn.start import PassThrough, reset_children


def walk(branches: dict[str, Branch]) -> Iterator[tuple[str, Branch]]:
    """Every branch of a tree with the name of its edge type; a branch comes before those below it."""
    for edge, branch in branches.items():
        yield edge, branch
        yield from walk(branch.branches)


class BranchAttention(nn.Module):
    """Attention over the neighbors along one edge type.

    With ``parent_query`` (at the root) each of the ``tokens`` has a query computed from the parent. Further out there
    are too many parents for that on a CPU: one learned query serves them all. Beside the neighbors there is an empty
    place with a learned score: a parent without neighbors gets zeros, and the empty place's share tells one neighbor
    from many. With ``pagerank`` every score gets its place's P times a learned weight, which starts at 0 (PPRGAT, arXiv
    2205.14259); the empty place is the parent's own.
    """

    def __init__(
        self,
        width: int,
        tokens: int = 1,
        parent_query: bool = False,
        edge: int = EDGE_FEATURES,
        pagerank: bool = False,
    ) -> None:
        """``edge``: features of an edge; they enter scores and values."""
        super().__init__()
        self.tokens, self.scale = tokens, 1 / math.sqrt(width)
        self.query = nn.Linear(width, tokens * width) if parent_query else nn.Linear(width, tokens, bias=False)
        self.parent_query = parent_query
        self.score = nn.Linear(edge, tokens, bias=False)
        self.nothing = nn.Parameter(torch.zeros(tokens, 1))
        self.rank = nn.Parameter(torch.zeros(tokens, 1)) if pagerank else None
        """By token: the weight of P, of which 1 / ``TOP`` counts as 1."""
        self.out = PassThrough(width + edge, width, bias=False, share=0.5)

    def reset_parameters(self) -> None:
        """Reinitialize all weights; the empty place's score and the weight of P start at 0."""
        reset_children(self)
        nn.init.zeros_(self.nothing)
        if self.rank is not None:
            nn.init.zeros_(self.rank)

    def forward(
        self, parent: Tensor, neighbour: Tensor, mask: Tensor, edge: Tensor, rank: Tensor | None = None
    ) -> Tensor:
        """``parent`` (parents, width), ``neighbour`` (parents, fan_out, width), ``mask`` (parents, fan_out) bool,
        ``edge`` (parents, fan_out, edge features) -> (parents, tokens, width).

        ``rank`` (parents, fan_out + 1): P of the places, then the parent's own; read where there is a weight for it.
        """
        if self.parent_query:
            query = (self.query(parent) * self.scale).unflatten(1, (self.tokens, -1))
            score = torch.bmm(query, neighbour.transpose(1, 2))  # (parents, tokens, fan_out)
        else:
            score = self.query(neighbour).transpose(1, 2)
        score = (score + self.score(edge).transpose(1, 2)).masked_fill(~mask.unsqueeze(1), -torch.inf)
        score = torch.cat([score, self.nothing.expand(len(parent), -1, -1)], dim=2)
        if self.rank is not None and rank is not None:
            score = score + self.rank * (TOP * rank).unsqueeze(1)
        share = score.softmax(dim=2)[:, :, :-1]
        return self.out(torch.cat([_mix(share, neighbour), _mix(share, edge)], dim=-1))


class BranchMean(nn.Module):
    """The mean over the neighbors along one edge type: replaces ``BranchAttention`` where attention is off."""

    def __init__(self, width: int, edge: int) -> None:
        super().__init__()
        self.out = PassThrough(width + edge, width, bias=False, share=0.5)

    def forward(
        self, parent: Tensor, neighbour: Tensor, mask: Tensor, edge: Tensor, rank: Tensor | None = None
    ) -> Tensor:
        """(parents, 1, width), the same for every token; arguments as in ``BranchAttention``, ``rank`` unread."""
        share = (mask / mask.sum(dim=1, keepdim=True).clamp(min=1)).unsqueeze(1)
        return self.out(torch.cat([_mix(share, neighbour), _mix(share, edge)], dim=-1))


def branch_message(config: ModelConfig, edge: int, tokens: int = 1, at_root: bool = False) -> nn.Module:
    """The module that turns a branch into a message to its parents: attention, or the mean where it is off.

    ``at_root``: the parents are seeds of trees. Each has its own query, and P where the configuration says so.
    """
    if config.attention:
        return BranchAttention(config.width, tokens, at_root, edge, at_root and config.pagerank_attention)
    return BranchMean(config.width, edge)


def _mix(share: Tensor, value: Tensor) -> Tensor:
    """(parents, tokens, fan_out), (parents, fan_out, n) -> (parents, tokens, n)."""
    if share.shape[1] == 1:  # on a CPU twice as fast as a batch of products of one row
        return (share.transpose(1, 2) * value).sum(dim=1, keepdim=True)
    return torch.bmm(share, value)


class Aggregation(nn.Module):
    """One side's encoder: folds a tree, hop by hop from the leaves, into ``graph_tokens`` tokens at its root.

    ``roots``: the node types of its roots: one, or both where the sides share their weights.
    """

    def __init__(self, config: ModelConfig, schema: GraphSchema, encoding: Encoding, *roots: str) -> None:
        super().__init__()
        self.width = config.width
        self.attention = nn.ModuleDict()
        self.edges = nn.ModuleDict()
        """By name of the edge type, for all hops."""
        self.norms = nn.ModuleDict()
        types = set(roots)
        for hop in range(schema.hops):
            reached: set[str] = set()
            for node in sorted(types):
                edges = schema.branches_from(node, hop)
                tokens = config.graph_tokens if hop == 0 else 1
                for edge in edges:
                    if edge.name not in self.edges:
                        self.edges[edge.name] = EdgeEncoder(attributes_of(config, encoding, edge.name))
                    features = cast(EdgeEncoder, self.edges[edge.name]).width
                    message = branch_message(config, features, tokens, at_root=hop == 0)
                    self.attention[_key(hop, edge.name)] = message
                if edges and hop:
                    self.norms[_key(hop, node)] = nn.LayerNorm(config.width)
                reached |= {edge.target for edge in edges}
            types = reached
        self.targets = schema.targets
        self.dropout = Dropout(config.dropout)
        self.widen = PassThrough(config.width, config.graph_tokens * config.width)
        self.feed = nn.Sequential(
            nn.LayerNorm(config.width),
            nn.Linear(config.width, 2 * config.width),
            nn.ReLU(),
            Dropout(config.dropout),
            nn.Linear(2 * config.width, config.width),
        )
        self.last = nn.LayerNorm(config.width)

    def forward(
        self,
        root: Tensor,
        branches: dict[str, Branch],
        inputs: Iterator[Tensor],
        edges: Mapping[str, EncodedEdges],
        ranks: PlaceRanks | None = None,
    ) -> Tensor:
        """``root`` (batch, width) -> (batch, H, width).

        ``inputs``: (parents, fan_out, width) of every branch, in ``walk``'s order; ``edges``: ``EncodedGraph.edges``;
        ``ranks``: P of the first hop, where attention reads it.
        """
        tokens = self.widen(root).unflatten(1, (-1, self.width))
        for name, branch in branches.items():
            rank = None if ranks is None else torch.cat([ranks.places[name], ranks.own.unsqueeze(1)], dim=1)
            tokens = tokens + self._message(0, name, root, branch, inputs, edges, rank)
        tokens = self.dropout(tokens)
        return self.last(tokens + self.feed(tokens))

    def _message(
        self,
        hop: int,
        edge: str,
        parent: Tensor,
        branch: Branch,
        inputs: Iterator[Tensor],
        edges: Mapping[str, EncodedEdges],
        rank: Tensor | None = None,
    ) -> Tensor:
        """A branch's message to its parents, (parents, tokens, width); ``parent`` (parents, width)."""
        neighbour = next(inputs)
        if branch.branches:
            places = neighbour.reshape(-1, self.width)
            below = torch.zeros_like(places)
            for name, deeper in branch.branches.items():
                below = below + self._message(hop + 1, name, places, deeper, inputs, edges).squeeze(1)
            norm = self.norms[_key(hop + 1, self.targets[edge])]
            neighbour = norm(places + nn.functional.relu(below)).view_as(neighbour)
        features = self.edges[edge](branch, edges.get(edge))
        return self.attention[_key(hop, edge)](parent, neighbour, branch.mask, features, rank)


def _key(hop: int, name: str) -> str:
    return f"hop{hop}_{name}"
