"""What a member's and an item's neighbourhoods have in common, counted exactly.

Pooled tokens blur identities: whether THIS creator is among those a member follows is lost in the mean of ten. So each
side also carries the hashed keys of the nodes that its tree holds, path by path, and the decoder counts how many keys
of a member's path stand on an item's path: common neighbours by metapath (Sun et al. 2011, PathSim; Chamberlain et al.
2023, subgraph sketches for link prediction). Nothing is learned by heart, and a new node counts from its first edge.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.graph.schema import GraphSchema
from models.graph.store import TemporalGraph
from models.graph.tree import Branch, Tree

MOST = 32
"""Places of one path that are kept: the most recent parents' most recent neighbours."""
_CODES = 2**24 - 1
"""Whole numbers up to 2^24 are exact in float32, so that keys travel in the same arrays as tokens."""


@dataclass(frozen=True)
class Path:
    """Branches from the root, the node type they lead to, and the places that are kept."""

    edges: tuple[str, ...]
    node: str
    places: int


def paths(schema: GraphSchema, root: str) -> list[Path]:
    """Every path of the trees of that root, the empty one first."""

    def further(node: str, edges: tuple[str, ...], places: int) -> Iterator[Path]:
        yield Path(edges, node, min(places, MOST))
        for branch in schema.branches_from(node, len(edges)):
            yield from further(branch.target, (*edges, branch.name), places * branch.fan_out[len(edges)])

    return list(further(root, (), 1))


class Overlap(nn.Module):
    """Keys of both sides as rows of the tokens' width, and the counts of what they share. It has no weights."""

    def __init__(self, schema: GraphSchema, width: int) -> None:
        super().__init__()
        member, item = paths(schema, schema.seeds.member), paths(schema, schema.seeds.item)
        shared = {path.node for path in member} & {path.node for path in item}
        self.member = [path for path in member if path.node in shared]
        self.item = [path for path in item if path.node in shared]
        self.pairs = [
            (one, other)
            for one, first in enumerate(self.member)
            for other, second in enumerate(self.item)
            if first.node == second.node
        ]
        self.width = width
        longest = max((sum(path.places for path in side) for side in (self.member, self.item)), default=0)
        self.rows = -(-longest // width)
        """Rows of keys on either side."""

    def keys(self, graph: TemporalGraph, tree: Tree, side: list[Path]) -> Tensor:
        """(B, rows, w) float32: whole numbers, 0 where there is no node."""
        batch = len(tree.index)
        parts = [functional.pad(self._path(graph, tree, path), (0, path.places))[:, : path.places] for path in side]
        flat = torch.cat(parts, dim=1) if parts else torch.zeros(batch, 0, device=tree.index.device)
        return functional.pad(flat, (0, self.rows * self.width - flat.shape[1])).view(batch, self.rows, self.width)

    def forward(self, member: Tensor, item: Tensor) -> Tensor:
        """``member`` (B, rows, w), ``item`` (B, C, rows, w) -> (B, C, pairs) float32: log1p of the keys in common."""
        member, item = member.flatten(1).unsqueeze(1), item.flatten(2)
        ones = member.split(_sizes(self.member, member.shape[-1]), dim=-1)
        others = item.split(_sizes(self.item, item.shape[-1]), dim=-1)
        counts = [
            ((ones[one].unsqueeze(-1) == others[other].unsqueeze(-2)) & (others[other].unsqueeze(-2) > 0)).sum((-1, -2))
            for one, other in self.pairs
        ]
        if not counts:
            return item.new_zeros(*item.shape[:2], 0)
        return torch.stack(counts, dim=-1).float().log1p()

    def _path(self, graph: TemporalGraph, tree: Tree, path: Path) -> Tensor:
        """(B, places found) float32."""
        index, mask, places = tree.index, tree.index >= 0, 1
        branches: Mapping[str, Branch] = tree.branches
        for name in path.edges:
            if name not in branches:
                return torch.zeros(len(tree.index), 0, device=tree.index.device)
            index, mask, branches = branches[name].index, branches[name].mask, branches[name].branches
            places *= index.shape[1]
        hashes = graph.nodes[path.node].id_hash
        code = hashes.index_select(0, index.clamp(min=0).flatten()).view(index.shape) % _CODES + 1
        return (code * mask).float().view(len(tree.index), places)


def _sizes(side: list[Path], total: int) -> list[int]:
    """How the flat keys are cut by path; the last piece is padding."""
    sizes = [path.places for path in side]
    return [*sizes, total - sum(sizes)]
