"""Heterogeneous attention over trees of fixed fan-out, from the leaves up (LiGNN, arXiv 2402.11139).

Every edge type has its own bilinear form between parent and neighbour: its query absorbs the key's projection, since
q . (K x) = (K' q) . x, and its output absorbs the value's. A place then costs one gather and two dot products, which is
what a CPU can afford, and nothing is lost against separate keys and values per edge type.
"""

import math
from collections.abc import Iterator, Mapping
from typing import cast

import torch
from torch import Tensor, nn

from models.graph.schema import GraphSchema
from models.graph.tree import Branch
from models.nn.config import ModelConfig
from models.nn.dropout import Dropout
from models.nn.edges import EDGE_FEATURES, EdgeEncoder, attributes_of
from models.nn.encoded import EncodedEdges
from models.nn.encoding import Encoding
from models.nn.passing import pass_through


def walk(branches: dict[str, Branch]) -> Iterator[tuple[str, Branch]]:
    """Every branch of a tree with the name of its edge type, each before the branches below it."""
    for edge, branch in branches.items():
        yield edge, branch
        yield from walk(branch.branches)


class BranchAttention(nn.Module):
    """Attention over the neighbours along one edge type.

    At the root each of the ``tokens`` is a query of the root's own. Further out (``asked`` False) there are too many
    parents for that on a CPU: one learned query serves them all. Beside the neighbours there is a place that holds
    nothing, with a learned score: a parent without neighbours gets zeros, and how much falls on it tells one neighbour
    from many.
    """

    def __init__(self, width: int, tokens: int = 1, asked: bool = False, edge: int = EDGE_FEATURES) -> None:
        """``edge``: numbers that an edge itself says; they have a part in scores and in values."""
        super().__init__()
        self.tokens, self.scale = tokens, 1 / math.sqrt(width)
        self.query = nn.Linear(width, tokens * width) if asked else nn.Linear(width, tokens, bias=False)
        self.asked = asked
        self.score = nn.Linear(edge, tokens, bias=False)
        self.nothing = nn.Parameter(torch.zeros(tokens, 1))
        self.out = pass_through(nn.Linear(width + edge, width, bias=False), share=0.5)

    def forward(self, parent: Tensor, neighbour: Tensor, mask: Tensor, edge: Tensor) -> Tensor:
        """``parent`` (parents, width), ``neighbour`` (parents, fan_out, width), ``mask`` (parents, fan_out), ``edge``
        (parents, fan_out, what an edge says) -> (parents, tokens, width)."""
        if self.asked:
            query = (self.query(parent) * self.scale).unflatten(1, (self.tokens, -1))
            score = torch.bmm(query, neighbour.transpose(1, 2))  # (parents, tokens, fan_out)
        else:
            score = self.query(neighbour).transpose(1, 2)
        score = (score + self.score(edge).transpose(1, 2)).masked_fill(~mask.unsqueeze(1), -torch.inf)
        nothing = self.nothing.expand(len(parent), -1, -1)
        share = torch.cat([score, nothing], dim=2).softmax(dim=2)[:, :, :-1]
        return self.out(torch.cat([_mix(share, neighbour), _mix(share, edge)], dim=-1))


class BranchMean(nn.Module):
    """The mean over the neighbours along one edge type: what is left when attention is switched off."""

    def __init__(self, width: int, edge: int) -> None:
        super().__init__()
        self.out = pass_through(nn.Linear(width + edge, width, bias=False), share=0.5)

    def forward(self, parent: Tensor, neighbour: Tensor, mask: Tensor, edge: Tensor) -> Tensor:
        """(parents, 1, width), the same for every token; arguments as ``BranchAttention`` has them."""
        share = (mask / mask.sum(dim=1, keepdim=True).clamp(min=1)).unsqueeze(1)
        return self.out(torch.cat([_mix(share, neighbour), _mix(share, edge)], dim=-1))


def branch_message(config: ModelConfig, edge: int, tokens: int = 1, asked: bool = False) -> nn.Module:
    """What turns a branch into a message: attention or, where it is switched off, the mean."""
    if config.attention:
        return BranchAttention(config.width, tokens, asked, edge)
    return BranchMean(config.width, edge)


def _mix(share: Tensor, value: Tensor) -> Tensor:
    """(parents, tokens, fan_out), (parents, fan_out, n) -> (parents, tokens, n)."""
    if share.shape[1] == 1:  # on a CPU twice as fast as a batch of products of one row
        return (share.transpose(1, 2) * value).sum(dim=1, keepdim=True)
    return torch.bmm(share, value)


class Aggregation(nn.Module):
    """One side's encoder: folds a tree, hop by hop from the leaves, into ``graph_tokens`` tokens at its root.

    ``roots``: the node types it may begin at: one, or both where the sides share their weights.
    """

    def __init__(self, config: ModelConfig, schema: GraphSchema, encoding: Encoding, *roots: str) -> None:
        super().__init__()
        self.width = config.width
        self.attention = nn.ModuleDict()
        self.edges = nn.ModuleDict()
        """By name of the branch, whatever the hop."""
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
                    said = cast(EdgeEncoder, self.edges[edge.name]).width
                    self.attention[_key(hop, edge.name)] = branch_message(config, said, tokens, asked=hop == 0)
                if edges and hop:
                    self.norms[_key(hop, node)] = nn.LayerNorm(config.width)
                reached |= {edge.target for edge in edges}
            types = reached
        self.targets = schema.targets
        self.dropout = Dropout(config.dropout)
        self.widen = pass_through(nn.Linear(config.width, config.graph_tokens * config.width))
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
    ) -> Tensor:
        """``root`` (batch, width) -> (batch, H, width).

        ``inputs`` (parents, fan_out, width) in ``walk``'s order; ``edges``: those of ``EncodedGraph``.
        """
        tokens = self.widen(root).unflatten(1, (-1, self.width))
        for name, branch in branches.items():
            tokens = tokens + self._message(0, name, root, branch, inputs, edges)
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
    ) -> Tensor:
        """What a branch says to its parents, (parents, tokens, width)."""
        neighbour = next(inputs)
        if branch.branches:
            places = neighbour.reshape(-1, self.width)
            below = torch.zeros_like(places)
            for name, deeper in branch.branches.items():
                below = below + self._message(hop + 1, name, places, deeper, inputs, edges).squeeze(1)
            norm = self.norms[_key(hop + 1, self.targets[edge])]
            neighbour = norm(places + nn.functional.relu(below)).view_as(neighbour)
        said = self.edges[edge](branch, edges.get(edge))
        return self.attention[_key(hop, edge)](parent, neighbour, branch.mask, said)


def _key(hop: int, name: str) -> str:
    return f"hop{hop}_{name}"
