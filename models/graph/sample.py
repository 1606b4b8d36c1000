"""Temporal neighbor sampling: trees of fixed fan-out with only what is strictly before the seed's time.

Everything in a tree, at every depth, is older than the SEED's time. There is no relabeling and no scatter; an unknown
node (index -1) and a node without edges have empty branches. Any time is allowed, also a negative one (before 1970);
before all data everything is empty, and a window of zero is always empty. The random strategies are functions of
(seed, draw, node, time): a query has the same result in any batch, in any order, on any device.

For pairs (a member and an item, or the two ends of an edge to predict) sample two trees: the sides may be read as of
different times.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.cuda import is_current_stream_capturing

from models.graph.chance import Draw
from models.graph.errors import QueryError
from models.graph.pagerank import pagerank
from models.graph.pagerank_graph import PageRankGraph
from models.graph.schema import BEHAVIOR, EdgeType
from models.graph.store import TemporalGraph
from models.graph.strategies import CHOOSE
from models.graph.tensors import EdgeTensors, NodeTensors, pick
from models.graph.timeline import LATEST
from models.graph.tree import Activities, Branch, Tree


@dataclass
class _Parents:
    """The nodes of one branch (or the seeds) that get branches of their own next."""

    node: str
    index: Tensor  # (parents,) 0 where masked
    mask: Tensor  # (parents,)
    time: Tensor  # (parents,) the seed's time
    branches: dict[str, Branch]
    cold: Tensor | None  # (parents,) the seed above if it is read as cold, else -1; None where no seed is


class Sampler:
    """Samples trees and activities from a graph, on the graph's device."""

    def __init__(
        self, graph: TemporalGraph, hops: int | None = None, largest_fan_out: int | None = None, seed: int = 0
    ) -> None:
        """``hops``: the depth of trees; ``largest_fan_out``: in place of larger ones; None = as in the schema.

        ``seed`` (int64) determines what the random strategies draw. Raises QueryError, also for a PageRank over types
        that the graph lacks.
        """
        bounded = (("hops", hops, 0), ("largest_fan_out", largest_fan_out, 0), ("seed", seed, -(2**63)))
        for name, value, least in bounded:
            if value is not None and not least <= value < 2**63:
                raise QueryError(f"{name}: expected {least} to 2^63 - 1; found {value}")
        self.graph = graph
        self.schema = graph.schema
        self.hops = graph.schema.hops if hops is None else min(hops, graph.schema.hops)
        self.largest_fan_out, self.seed = largest_fan_out, seed
        self._places = {branch.name: place for place, branch in enumerate(self.schema.branches)}
        self._pagerank_graphs = {rank.name: PageRankGraph(graph, rank) for rank in self.schema.pageranks}

    def tree(self, node: str, index: Tensor, time: Tensor, draw: int = 0, cold: Tensor | None = None) -> Tree:
        """The neighborhood of ``index`` (batch,) int64, -1 = unknown, as of ``time`` (batch,) int64 microseconds.

        Another ``draw`` gives another sample of the random strategies. ``cold`` (batch,) bool: nodes read as if nothing
        had happened to them: without edges of behavior, wherever they are in their own tree. Raises QueryError.
        """
        self._check(node, index, time)
        tree = Tree(node=node, index=index, time=time, branches={}, cold=cold)
        above = None if cold is None else torch.where(cold, index, -1)
        level = [_Parents(node, index.clamp(min=0), index >= 0, time, tree.branches, above)]
        for hop in range(self.hops):
            level = self._grow(level, hop, draw, node)
        return tree

    def activities(self, member: Tensor, time: Tensor, count: int) -> Activities:
        """The last ``count`` activities of ``member`` (batch,) strictly before ``time`` (batch,), oldest first.

        Activities are all engagement edges that leave the member, sorted by (time, edge type, row). Raises QueryError.
        """
        self._check(self.schema.seeds.member, member, time)
        if count < 1:
            raise QueryError(f"activities: expected a count of 1 or more; found {count}")
        empty = torch.zeros(len(member), count, dtype=torch.int64, device=member.device)
        edge, target, rows, moment, mask = [empty], [empty], [empty], [empty], [empty.bool()]
        back = torch.arange(count, 0, -1, device=member.device)
        for place, name in enumerate(self.schema.activity_edges):
            edges = self.graph.edges[name]
            if not len(edges.time):
                continue
            owner = member.clamp(min=0)
            row = edges.timeline.end(owner, time).unsqueeze(1) - back  # (batch, count)
            mask.append((row >= edges.offsets[owner].unsqueeze(1)) & (member >= 0).unsqueeze(1))
            row = row.clamp(min=0)
            edge.append(torch.full_like(row, place))
            target.append(pick(edges.target, row).long())
            rows.append(row)
            moment.append(pick(edges.time, row))
        seen = torch.cat(mask, dim=1)  # (batch, edge types * count)
        key = torch.cat(moment, dim=1).masked_fill(~seen, -LATEST)
        # Stable: ties in time keep the order of edge types and rows. Masked places come first.
        last = key.sort(dim=1, stable=True).indices[:, -count:]
        seen = seen.gather(1, last)
        return Activities(
            edge=torch.cat(edge, dim=1).gather(1, last) * seen,
            target=torch.cat(target, dim=1).gather(1, last) * seen,
            row=torch.cat(rows, dim=1).gather(1, last) * seen,
            time=key.gather(1, last) * seen,
            mask=seen,
        )

    def _grow(self, level: list[_Parents], hop: int, draw: int, root: str) -> list[_Parents]:
        """Add the branches of every node of a level; the places of these branches are the next level.

        ``root``: the node type of the tree's seeds.
        """
        grown = []
        for node in dict.fromkeys(parents.node for parents in level):
            # All parents of one type are searched at once: one search per edge type and hop, however wide the tree.
            group = [parents for parents in level if parents.node == node]
            sizes = [len(parents.index) for parents in group]
            index = torch.cat([parents.index for parents in group])
            mask = torch.cat([parents.mask for parents in group])
            time = torch.cat([parents.time for parents in group])
            above = [parents.cold for parents in group if parents.cold is not None]
            cold = torch.cat(above) if above else None
            for edge in self.schema.branches_from(node, hop):
                fan_out = edge.fan_out[hop]
                if self.largest_fan_out is not None:
                    fan_out = min(self.largest_fan_out, fan_out)
                chance = Draw(self.seed, draw, hop, self._places[edge.name])
                seen = mask
                if cold is not None and node == root and edge.kind in BEHAVIOR:
                    seen = mask & (index != cold)
                if edge.name in self._pagerank_graphs:
                    whole = pagerank(self._pagerank_graphs[edge.name], fan_out, index, seen, time, chance)
                else:
                    whole = neighbours(self.graph.edges[edge.name], edge, fan_out, index, seen, time, chance)
                if cold is not None and edge.target == root:
                    whole.cold = whole.mask & (whole.index == cold.unsqueeze(1))
                for parents, branch in zip(group, _split(whole, sizes), strict=True):
                    parents.branches[edge.name] = branch
                    if hop + 1 < self.hops and self.schema.branches_from(edge.target, hop + 1):
                        index_below, mask_below = branch.index.flatten(), branch.mask.flatten()
                        time_below = branch.time.flatten()
                        below = None if parents.cold is None else parents.cold.repeat_interleave(fan_out)
                        grown.append(_Parents(edge.target, index_below, mask_below, time_below, branch.branches, below))
        return grown

    def _check(self, node: str, index: Tensor, time: Tensor) -> None:
        known = [type_.name for type_ in self.schema.nodes]
        if node not in known:
            raise QueryError(f"node type: expected one of {', '.join(known)}; found {node!r}")
        for name, tensor in (("index", index), ("time", time)):
            if tensor.dtype != torch.int64 or tensor.dim() != 1:
                raise QueryError(
                    f"{name}: expected int64 of shape (batch,); found {tensor.dtype} {tuple(tensor.shape)}"
                )
            if tensor.device != self.graph.device:
                raise QueryError(f"{name}: expected on the graph's device {self.graph.device}; found {tensor.device}")
        if len(index) != len(time):
            raise QueryError(f"time: expected one per index, {len(index)}; found {len(time)}")
        if not len(index) or torch.compiler.is_compiling() or (time.is_cuda and is_current_stream_capturing()):
            return  # values cannot be read while a CUDA graph or torch.compile records
        count = self.schema.node(node).count
        # One synchronization with the device.
        bounds = torch.stack([index.min(), index.max(), time.min(), time.max()]).tolist()
        if not (bounds[0] >= -1 and bounds[1] < count):
            raise QueryError(
                f"index: expected -1 (unknown) to {count - 1}, the graph holds {count} nodes of type {node!r}; "
                f"found {bounds[0]} to {bounds[1]}"
            )
        if not (bounds[2] > -LATEST and bounds[3] < LATEST):
            raise QueryError(
                f"time: expected microseconds between -2^62 and 2^62; found {bounds[2]} to {bounds[3]}. Nanoseconds?"
            )


def as_of_version(node: NodeTensors, index: Tensor, time: Tensor) -> Tensor:
    """The row of each node's last version strictly before ``time``; -1 if there is none or the index is -1.

    ``index`` int64 of any shape; ``time`` int64 microseconds, broadcastable to it. Returns int64 of ``index``'s shape.
    """
    if not len(node.version_time):
        return torch.full_like(index, -1)
    owner = index.clamp(min=0)
    end = node.timeline.end(owner, time)
    seen = (end > pick(node.version_offsets, owner)) & (index >= 0)
    return torch.where(seen, end - 1, -1)


def neighbours(
    edges: EdgeTensors, edge: EdgeType, fan_out: int, index: Tensor, known: Tensor, time: Tensor, chance: Draw
) -> Branch:
    """Up to ``fan_out`` edges of every parent strictly before its seed's time, chosen by the edge type's strategy.

    ``index`` (parents,) int64, ``known`` (parents,) bool: False = no such node, ``time`` (parents,) int64 microseconds.
    """
    repeated = time.unsqueeze(1).expand(-1, fan_out)
    if not len(edges.time):
        nothing = torch.zeros(len(index), fan_out, dtype=torch.int64, device=index.device)
        return Branch(nothing, nothing.bool(), nothing, nothing.float(), repeated, nothing)
    first, end = edges.visible(index, time, edge.window)
    first = torch.where(known, first, end)
    row, mask = CHOOSE[edge.strategy](edges, first, end, fan_out, chance.of(index, time))
    row = row.clamp(min=0)
    return Branch(
        index=pick(edges.target, row).long() * mask,
        mask=mask,
        edge_time=pick(edges.time, row) * mask,
        weight=edges.weight_of(row) * mask,
        time=repeated,
        row=row * mask,
    )


def _split(whole: Branch, sizes: list[int]) -> list[Branch]:
    """Split a branch into those of its groups of parents; views, no copies."""
    if len(sizes) == 1:
        return [whole]
    fields = (whole.index, whole.mask, whole.edge_time, whole.weight, whole.time, whole.row)
    branches = [Branch(*part) for part in zip(*(tensor.split(sizes) for tensor in fields), strict=True)]
    if whole.cold is not None:
        for branch, cold in zip(branches, whole.cold.split(sizes), strict=True):
            branch.cold = cold
    return branches
