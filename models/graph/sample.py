"""The sampler: the most recent neighbours strictly before the seed's time, as trees of fixed fan-out.

Everything a tree holds, at every depth, is older than the SEED's time. There is no randomness, no relabelling and no
scatter; an unknown node (index -1) and a node without edges have empty branches. Any int64 is a moment, also a
negative one (before 1970); before all data everything is empty.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.graph.errors import QueryError
from models.graph.schema import EdgeType
from models.graph.store import TemporalGraph
from models.graph.tensors import EdgeTensors, NodeTensors
from models.graph.tree import Activities, Branch, Tree

_SECONDS = 1e-6
"""Seconds in a microsecond."""


@dataclass
class _Parents:
    """The nodes of one branch (or the seeds), about to get branches of their own."""

    node: str
    index: Tensor  # (parents,) 0 where masked
    mask: Tensor  # (parents,)
    seed: Tensor  # (parents,) position of the parent's seed in the batch
    branches: dict[str, Branch]


class Sampler:
    """Samples trees and activities from a graph, on the graph's device."""

    def __init__(self, graph: TemporalGraph, hops: int | None = None) -> None:
        """``hops``: how far trees reach; None = as far as the schema's fan-outs say."""
        self.graph = graph
        self.schema = graph.schema
        self.hops = graph.schema.hops if hops is None else min(hops, graph.schema.hops)

    def tree(self, node: str, index: Tensor, time: Tensor) -> Tree:
        """The neighbourhood of ``index`` (batch,) int64, -1 = unknown, as of ``time`` (batch,) int64 microseconds.

        Raises QueryError.
        """
        self._check(node, index, time)
        tree = Tree(node=node, index=index, time=time, branches={})
        seed = torch.arange(len(index), device=index.device)
        level = [_Parents(node, index.clamp(min=0), index >= 0, seed, tree.branches)]
        for hop in range(self.hops):
            level = self._grow(level, hop, time)
        return tree

    def activities(self, member: Tensor, time: Tensor, count: int) -> Activities:
        """The last ``count`` activities of ``member`` (batch,) strictly before ``time`` (batch,), oldest first.

        Raises QueryError.
        """
        self._check(self.schema.seeds.member, member, time)
        if count < 1:
            raise QueryError(f"activities: expected a count of 1 or more; found {count}")
        rows = self.graph.activities
        if not len(rows.time):
            empty = torch.zeros(len(member), count, dtype=torch.int64, device=member.device)
            return Activities(edge=empty, target=empty, time=empty, mask=empty > 0)
        owner = member.clamp(min=0)
        end = rows.timeline.end(owner, rows.timeline.rank(time))
        start = torch.where(member >= 0, rows.offsets[owner], end)
        row = end.unsqueeze(1) - torch.arange(count, 0, -1, device=end.device)  # (batch, count)
        mask = row >= start.unsqueeze(1)
        row = row.clamp(min=0)
        return Activities(
            edge=_pick(rows.edge, row).long() * mask,
            target=_pick(rows.target, row).long() * mask,
            time=_pick(rows.time, row) * mask,
            mask=mask,
        )

    def _grow(self, level: list[_Parents], hop: int, time: Tensor) -> list[_Parents]:
        """Give every node of a level its branches; the places of these branches are the next level."""
        grown = []
        for node in dict.fromkeys(parents.node for parents in level):
            # All parents of one type are asked at once: one search per edge type and hop, however wide the tree.
            group = [parents for parents in level if parents.node == node]
            sizes = [len(parents.index) for parents in group]
            index = torch.cat([parents.index for parents in group])
            mask = torch.cat([parents.mask for parents in group])
            seed = torch.cat([parents.seed for parents in group])
            for edge in self.schema.edges_from(node, hop):
                whole = _neighbours(self.graph.edges[edge.name], edge, edge.fan_out[hop], index, mask, seed, time)
                for parents, branch in zip(group, _split(whole, sizes), strict=True):
                    parents.branches[edge.name] = branch
                    if hop + 1 < self.hops and self.schema.edges_from(edge.target, hop + 1):
                        places = parents.seed.repeat_interleave(edge.fan_out[hop])
                        grown.append(
                            _Parents(
                                edge.target, branch.index.flatten(), branch.mask.flatten(), places, branch.branches
                            )
                        )
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
        count = self.schema.node(node).count
        if len(index) and not (int(index.min()) >= -1 and int(index.max()) < count):
            raise QueryError(
                f"index: expected -1 (unknown) to {count - 1}, the graph holds {count} nodes of type {node!r}; "
                f"found {int(index.min())} to {int(index.max())}"
            )


def as_of_version(node: NodeTensors, index: Tensor, time: Tensor) -> Tensor:
    """The row of each node's last version strictly before ``time``; -1 where there is none or the index is -1.

    ``index`` int64 of any shape; ``time`` int64, broadcastable to it. Answer: int64 of ``index``'s shape.
    """
    if not len(node.version_time):
        return torch.full_like(index, -1)
    if time.dim() and time.stride(-1) == 0:
        time = time[..., :1]  # an expanded tensor repeats one moment: rank it once
    owner = index.clamp(min=0)
    end = node.timeline.end(owner, node.timeline.rank(time))
    seen = (end > _pick(node.version_offsets, owner)) & (index >= 0)
    return torch.where(seen, end - 1, -1)


def _neighbours(
    edges: EdgeTensors, edge: EdgeType, fan_out: int, index: Tensor, known: Tensor, seed: Tensor, time: Tensor
) -> Branch:
    """The last ``fan_out`` edges of every parent strictly before its seed's time, most recent first."""
    moment = time[seed].unsqueeze(1)  # (parents, 1)
    repeated = moment.expand(-1, fan_out)
    if not len(edges.time):
        nothing = torch.zeros(len(index), fan_out, dtype=torch.int64, device=index.device)
        return Branch(nothing, nothing > 0, nothing.float(), nothing.float(), repeated)
    end = edges.timeline.end(index, edges.timeline.rank(time)[seed])
    start = torch.where(known, edges.offsets[index], end)
    row = end.unsqueeze(1) - torch.arange(1, fan_out + 1, device=end.device)  # (parents, fan_out)
    mask = row >= start.unsqueeze(1)
    row = row.clamp(min=0)
    age = moment - _pick(edges.time, row)
    if edge.window is not None:
        mask &= age <= edge.window
    return Branch(
        index=_pick(edges.target, row).long() * mask,
        mask=mask,
        delta=((age * mask).double() * _SECONDS).float(),  # the same bits on every device, unlike a division
        weight=_pick(edges.weight, row) * mask,
        time=repeated,
    )


def _split(whole: Branch, sizes: list[int]) -> list[Branch]:
    """The branch cut back into its parents' groups; views, no copies."""
    if len(sizes) == 1:
        return [whole]
    parts = (t.split(sizes) for t in (whole.index, whole.mask, whole.delta, whole.weight, whole.time))
    return [Branch(*part) for part in zip(*parts, strict=True)]


def _pick(values: Tensor, row: Tensor) -> Tensor:
    """``values[row]`` for rows of any shape."""
    return values.index_select(0, row.reshape(-1)).view(row.shape)
