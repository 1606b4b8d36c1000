"""The edges around the nodes that a push visits, as each seed sees them."""

import torch
from torch import Tensor

from models.graph.pagerank_graph import Direction, WalkGraph
from models.graph.tensors import pick


class Around:
    """Visible edges by key: the seed's position in the batch * ``WalkGraph.nodes`` + the node's number.

    Visible are the edges strictly before the SEED's time, within their windows. A cold seed has no edges of behavior,
    and no other node has one to it.
    """

    def __init__(self, graph: WalkGraph, start: Tensor, time: Tensor, cold: Tensor | None) -> None:
        """``start`` (batch,) int64: the seeds' numbers; ``time`` (batch,) int64 microseconds; ``cold`` (batch,)."""
        self.graph, self.time = graph, time
        self.cold: Tensor | None = None
        if cold is None or not bool((cold & (start >= 0)).any()):
            return
        position = torch.arange(len(start), device=start.device)
        own = (position * graph.nodes + start)[cold & (start >= 0)]
        self.hidden = self._rows(own, behavior=True)[0].sort().values
        """(edges,) int64: the key of the other end of every edge that is not to be seen."""
        self.cold = own

    def degree(self, key: Tensor) -> Tensor:
        """The number of visible edges of each key, (keys,) int64."""
        degree = torch.zeros_like(key)
        for direction in self.graph.directions:
            place, _, count = self._ranges(direction, key)
            degree[place] += count
        if self.cold is not None:
            again = torch.searchsorted(self.hidden, key, right=True) - torch.searchsorted(self.hidden, key)
            degree -= torch.where(torch.isin(key, self.cold), 0, again)
        return degree

    def edges(self, key: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """All visible edges of keys, (edges,) int64 each: key reached, position of the origin's key, edge's time."""
        reached, origin, moment, behavior = self._rows(key)
        if self.cold is None:
            return reached, origin, moment
        seen = ~(behavior & torch.isin(reached, self.cold))
        return reached[seen], origin[seen], moment[seen]

    def _rows(self, key: Tensor, behavior: bool = False) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """As ``edges``, and whether each is of behavior. ``behavior``: those alone."""
        reached, origins, moments, kinds = [key[:0]], [key[:0]], [key[:0]], [key[:0].bool()]
        for direction in self.graph.directions:
            if behavior and not direction.behavior:
                continue
            place, first, count = self._ranges(direction, key)
            origin = place.repeat_interleave(count)
            before = (count.cumsum(0) - count).repeat_interleave(count)
            row = first.repeat_interleave(count) + torch.arange(len(origin), device=key.device) - before
            seed = key[origin] // self.graph.nodes
            target = self.graph.first[direction.target] + pick(direction.edges.target, row)
            reached.append(seed * self.graph.nodes + target)
            origins.append(origin)
            moments.append(pick(direction.edges.time, row))
            kinds.append(torch.full_like(origin, direction.behavior, dtype=torch.bool))
        return torch.cat(reached), torch.cat(origins), torch.cat(moments), torch.cat(kinds)

    def _ranges(self, direction: Direction, key: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The keys with a node of the direction's source type: position, first visible row, number of visible rows."""
        number = key % self.graph.nodes
        found = self.graph.of_type(number, direction.source)
        if self.cold is not None and direction.behavior:
            found &= ~torch.isin(key, self.cold)
        place = found.nonzero().flatten()
        node = number[place] - self.graph.first[direction.source]
        first, count = direction.visible(node, self.time[key[place] // self.graph.nodes])
        return place, first, count
