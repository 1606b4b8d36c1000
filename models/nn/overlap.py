"""What a member's and an item's neighbourhoods have in common, counted exactly.

Pooled tokens blur identities: whether THIS creator is among those a member follows is lost in the mean of ten. So each
side also carries the hashed keys of the nodes that its tree holds, path by path, and the decoder counts how many keys
of a member's path stand on an item's path: common neighbours by metapath (Sun et al. 2011, PathSim; Chamberlain et al.
2023, subgraph sketches for link prediction). Nothing is learned by heart, and a new node counts from its first edge.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate, chain, product

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
        self.one: Tensor
        self.other: Tensor
        self.last: Tensor
        one, other, last = _comparisons(self.member, self.item, self.pairs)
        self.register_buffer("one", one, persistent=False)
        self.register_buffer("other", other, persistent=False)
        self.register_buffer("last", last, persistent=False)

    def keys(self, graph: TemporalGraph, tree: Tree, side: list[Path]) -> Tensor:
        """(B, rows, w) float32: whole numbers, 0 where there is no node."""
        nodes, batch = self.nodes(tree, side), len(tree.index)
        parts = [
            (graph.nodes[path.node].id_hash[part.clamp(min=0)] % _CODES + 1) * (part >= 0)
            for path, part in zip(side, nodes.split([path.places for path in side], dim=1), strict=True)
        ]
        flat = torch.cat(parts, dim=1).float() if parts else torch.zeros(batch, 0, device=tree.index.device)
        return functional.pad(flat, (0, self.rows * self.width - flat.shape[1])).view(batch, self.rows, self.width)

    def nodes(self, tree: Tree, side: list[Path]) -> Tensor:
        """(B, places) int64: the node at every place of the paths of that side, one after the other; -1 where none."""
        parts = [functional.pad(self._path(tree, path), (0, path.places), value=-1)[:, : path.places] for path in side]
        return torch.cat(parts, dim=1) if parts else tree.index.new_zeros(len(tree.index), 0)

    def forward(self, member: Tensor, item: Tensor) -> Tensor:
        """``member`` (B, rows, w), ``item`` (B, C, rows, w) -> (B, C, pairs) float32: log1p of the keys in common."""
        one, other = member.flatten(1).index_select(1, self.one), item.flatten(2).index_select(2, self.other)
        # 0 is no key: nothing equals NaN.
        same = one.where(one > 0, torch.nan).unsqueeze(1) == other  # (B, C, comparisons)
        upto = same.cumsum(dim=-1, dtype=torch.int32).index_select(2, self.last)
        return torch.diff(upto, dim=-1, prepend=upto.new_zeros(*upto.shape[:2], 1)).float().log1p()

    def _path(self, tree: Tree, path: Path) -> Tensor:
        """(B, places found) int64, -1 where there is no node."""
        index, mask, places = tree.index, tree.index >= 0, 1
        branches: Mapping[str, Branch] = tree.branches
        for name in path.edges:
            if name not in branches:
                return tree.index.new_zeros(len(tree.index), 0)
            index, mask, branches = branches[name].index, branches[name].mask, branches[name].branches
            places *= index.shape[1]
        return index.where(mask, -1).reshape(len(tree.index), places)


def _comparisons(member: list[Path], item: list[Path], pairs: list[tuple[int, int]]) -> tuple[Tensor, Tensor, Tensor]:
    """Which place of the member's keys is compared with which of the item's, and each pair's last comparison."""
    places = [_places(side) for side in (member, item)]
    compared = [product(places[0][one], places[1][other]) for one, other in pairs]
    flat = torch.tensor(list(chain.from_iterable(compared)), dtype=torch.int64).view(-1, 2)
    counts = torch.tensor([member[one].places * item[other].places for one, other in pairs], dtype=torch.int64)
    return flat[:, 0], flat[:, 1], counts.cumsum(0) - 1


def _places(side: list[Path]) -> list[range]:
    """By path: its places among the side's."""
    ends = list(accumulate(path.places for path in side))
    return [range(end - path.places, end) for path, end in zip(side, ends, strict=True)]
