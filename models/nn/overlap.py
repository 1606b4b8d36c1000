"""Exact counts of the nodes that a member's and an item's neighborhoods share.

Pooled tokens blur identities: whether a member follows this very creator is lost in the mean of ten. So each side also
carries the hashed keys of its tree's nodes, path by path, and the decoder counts the keys of a member's path that are
on an item's path: common neighbors by metapath (Sun et al. 2011, PathSim; Chamberlain et al. 2023, subgraph sketches
for link prediction). No weights: a new node counts from its first edge.
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
"""Places kept per path: the most recent parents' most recent neighbors."""
_CODES = 2**24 - 1
"""Whole numbers up to 2^24 are exact in float32, so keys fit in the same arrays as tokens."""


@dataclass(frozen=True)
class Path:
    """Edge types from the root, the node type they lead to, and the number of places kept."""

    edges: tuple[str, ...]
    node: str
    places: int


def paths(schema: GraphSchema, root: str) -> list[Path]:
    """Every path of the trees of that root type, the empty one first."""

    def further(node: str, edges: tuple[str, ...], places: int) -> Iterator[Path]:
        yield Path(edges, node, min(places, MOST))
        for branch in schema.branches_from(node, len(edges)):
            yield from further(branch.target, (*edges, branch.name), places * branch.fan_out[len(edges)])

    return list(further(root, (), 1))


class Overlap(nn.Module):
    """Packs both sides' keys as rows of the tokens' width, and counts the keys they share. It has no weights."""

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
        longest = max(sum(path.places for path in side) for side in (self.member, self.item))
        self.rows = -(-longest // width)
        """Rows of keys on either side."""
        self.one: Tensor
        self.other: Tensor
        self.pair: Tensor
        one, other, pair = _comparisons(self.member, self.item, self.pairs)
        self.register_buffer("one", one, persistent=False)
        self.register_buffer("other", other, persistent=False)
        self.register_buffer("pair", pair, persistent=False)

    def keys(self, graph: TemporalGraph, tree: Tree, side: list[Path]) -> Tensor:
        """(B, rows, w) float32 keys, whole numbers; 0 where there is no node. ``side``: ``member`` or ``item``."""
        nodes, batch = self.nodes(tree, side), len(tree.index)
        parts = [
            (graph.nodes[path.node].id_hash[part.clamp(min=0)] % _CODES + 1) * (part >= 0)
            for path, part in zip(side, nodes.split([path.places for path in side], dim=1), strict=True)
        ]
        flat = torch.cat(parts, dim=1).float() if parts else torch.zeros(batch, 0, device=tree.index.device)
        return functional.pad(flat, (0, self.rows * self.width - flat.shape[1])).view(batch, self.rows, self.width)

    def nodes(self, tree: Tree, side: list[Path]) -> Tensor:
        """(B, places) int64: the node at every place of a side's paths, path by path; -1 where there is none."""
        parts = [functional.pad(self._path(tree, path), (0, path.places), value=-1)[:, : path.places] for path in side]
        return torch.cat(parts, dim=1) if parts else tree.index.new_zeros(len(tree.index), 0)

    def forward(self, member: Tensor, item: Tensor) -> Tensor:
        """``member`` (B, rows, w), ``item`` (B, C, rows, w) -> (B, C, pairs) float32: log1p of the shared keys."""
        # One row per comparison, so that whole rows are copied, compared and added.
        one = member.flatten(1).T.index_select(0, self.one)  # (comparisons, B)
        other = item.flatten(2).permute(2, 0, 1).contiguous().index_select(0, self.other)  # (comparisons, B, C)
        # 0 is no key: NaN equals nothing.
        same = one.where(one > 0, torch.nan).unsqueeze(2) == other
        counts = other.new_zeros(len(self.pairs), *item.shape[:2]).index_add(0, self.pair, same.to(other.dtype))
        return counts.permute(1, 2, 0).log1p()

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
    """(comparisons,) int64 each: place of the member's key, place of the item's key, and the pair they count for."""
    places = [_places(side) for side in (member, item)]
    compared = [product(places[0][one], places[1][other]) for one, other in pairs]
    flat = torch.tensor(list(chain.from_iterable(compared)), dtype=torch.int64).view(-1, 2)
    counts = torch.tensor([member[one].places * item[other].places for one, other in pairs], dtype=torch.int64)
    return flat[:, 0], flat[:, 1], torch.arange(len(pairs)).repeat_interleave(counts)


def _places(side: list[Path]) -> list[range]:
    """The range of places of each path."""
    ends = list(accumulate(path.places for path in side))
    return [range(end - path.places, end) for path, end in zip(side, ends, strict=True)]
