"""Personalized PageRank by forward push (Andersen, Chung, Lang 2006, "Local graph partitioning", section 3).

Scores and residuals are integers: sums do not depend on their order, and no probability is lost.
"""

import torch
from torch import Tensor

from models.graph.pagerank_graph import Direction, PageRankGraph, Scores
from models.graph.tensors import pick
from models.graph.timeline import LATEST

WHOLE = 2**50
"""Stands for probability 1; exact in float64."""


def push(graph: PageRankGraph, index: Tensor, known: Tensor, time: Tensor) -> Scores:
    """The PPR scores of each seed, to within epsilon * degree.

    ``index`` (batch,) int64, ``known`` (batch,) bool: False = no such node, ``time`` (batch,) int64 microseconds. The
    seed starts with a residual of 1 and is pushed: it keeps the share ``restart`` and distributes the rest evenly over
    its visible edges. Then every node with a residual of at least epsilon * degree is pushed, round by round, until
    there is none; the share ``restart`` of the remaining residuals is added to the scores. Without the seed, the
    degrees of all pushed nodes sum up to at most 1 / (restart * epsilon), however large the graph is.
    """
    rank = graph.rank
    threshold = max(round(rank.epsilon * WHOLE), 1)
    seed = known.nonzero().flatten()
    key = seed * graph.nodes + graph.first[graph.source] + index[seed]  # stays sorted: unique() sorts below
    score, residual = torch.zeros_like(key), torch.full_like(key, WHOLE)
    moment, degree = torch.full_like(key, -LATEST), _degree(graph, key, time)
    pushed = (degree > 0).nonzero().flatten()  # the seed is pushed whatever its degree, to reach its neighbors
    while len(pushed):
        kept = (residual[pushed].double() * rank.restart).long().clamp(min=1)  # else a last unit would go round forever
        share = (residual[pushed] - kept) // degree[pushed]
        score[pushed] += kept
        residual[pushed] -= kept + share * degree[pushed]  # the remainder of the division stays
        reached, origin, then = _edges(graph, key[pushed], time)
        before = len(key)
        key, place = torch.cat([key, reached]).unique(return_inverse=True)
        old, new = place[:before], place[before:]
        score = torch.zeros_like(key).index_put((old,), score)
        residual = torch.zeros_like(key).index_put((old,), residual).index_add(0, new, share[origin])
        moment = torch.full_like(key, -LATEST).index_put((old,), moment).scatter_reduce(0, new, then, "amax")
        degree = torch.full_like(key, -1).index_put((old,), degree)
        fresh = (degree < 0).nonzero().flatten()
        degree[fresh] = _degree(graph, key[fresh], time)
        pushed = ((degree > 0) & (residual // degree.clamp(min=1) >= threshold)).nonzero().flatten()
    score += (residual.double() * rank.restart).long()  # what a push of the remaining residual would keep
    seed, number = key // graph.nodes, key % graph.nodes
    node = number - graph.first[graph.target]
    scored = graph.of_type(number, graph.target) & (score > 0)
    if graph.source == graph.target:
        scored = scored & (node != index[seed])
    return Scores(seed[scored], node[scored], score[scored], moment[scored], whole=torch.full_like(time, WHOLE))


def _degree(graph: PageRankGraph, key: Tensor, time: Tensor) -> Tensor:
    """The number of visible edges of each (seed, node) key, (keys,) int64."""
    degree = torch.zeros_like(key)
    for direction in graph.directions:
        place, _, count = _ranges(graph, direction, key, time)
        degree[place] += count
    return degree


def _edges(graph: PageRankGraph, key: Tensor, time: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """All visible edges of (seed, node) keys: the key reached, the position of the origin's key, the edge's time."""
    reached, origins, moments = [key[:0]], [key[:0]], [key[:0]]
    for direction in graph.directions:
        place, first, count = _ranges(graph, direction, key, time)
        origin = place.repeat_interleave(count)
        before = (count.cumsum(0) - count).repeat_interleave(count)
        row = first.repeat_interleave(count) + torch.arange(len(origin), device=key.device) - before
        seed = key[origin] // graph.nodes
        reached.append(seed * graph.nodes + graph.first[direction.target] + pick(direction.edges.target, row))
        origins.append(origin)
        moments.append(pick(direction.edges.time, row))
    return torch.cat(reached), torch.cat(origins), torch.cat(moments)


def _ranges(graph: PageRankGraph, direction: Direction, key: Tensor, time: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The keys with a node of the direction's source type: position, first visible row, number of visible rows."""
    number = key % graph.nodes
    place = graph.of_type(number, direction.source).nonzero().flatten()
    node = number[place] - graph.first[direction.source]
    first, count = direction.visible(node, time[key[place] // graph.nodes])
    return place, first, count
