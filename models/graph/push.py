"""Personalised PageRank by forward push (Andersen, Chung, Lang 2006, "Local graph partitioning", section 3).

Scores and residuals are whole numbers: sums do not depend on their order, and nothing is lost.
"""

import torch
from torch import Tensor

from models.graph.pagerank_graph import Direction, PageRankGraph, Scores
from models.graph.tensors import pick
from models.graph.timeline import LATEST

WHOLE = 2**50
"""The probability 1; exact in float64."""


def push(graph: PageRankGraph, index: Tensor, known: Tensor, time: Tensor) -> Scores:
    """The PPR of each of ``index`` (batch,), ``known`` (batch,), as of ``time`` (batch,), to within epsilon * degree.

    The seed starts with a residual of 1 and is pushed: it keeps the share ``restart`` and passes the rest on, evenly
    over its visible edges. So is then every node whose residual is at least epsilon * degree, round by round, until
    there is none; of a residual that is left the share ``restart`` counts too. Beside the seed's, the degrees of all
    that is pushed sum up to 1 / (restart * epsilon) at most, however large the graph.
    """
    rank = graph.rank
    threshold = max(round(rank.epsilon * WHOLE), 1)
    seed = known.nonzero().flatten()
    key = seed * graph.nodes + graph.first[graph.source] + index[seed]  # ascending, whoever is reached
    score, residual = torch.zeros_like(key), torch.full_like(key, WHOLE)
    moment, degree = torch.full_like(key, -LATEST), _degree(graph, key, time)
    pushed = (degree > 0).nonzero().flatten()  # the seed whatever its degree, so that its neighbours are reached
    while len(pushed):
        kept = (residual[pushed].double() * rank.restart).long()
        share = (residual[pushed] - kept) // degree[pushed]
        score[pushed] += kept
        residual[pushed] -= kept + share * degree[pushed]  # what cannot be shared evenly stays
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
    score += (residual.double() * rank.restart).long()  # what a residual would leave behind if it were pushed
    seed, number = key // max(graph.nodes, 1), key % max(graph.nodes, 1)
    node = number - graph.first[graph.target]
    scored = graph.of_type(number, graph.target) & (score > 0)
    if graph.source == graph.target:
        scored = scored & (node != index[seed])
    return Scores(seed[scored], node[scored], score[scored], moment[scored], whole=torch.full_like(time, WHOLE))


def _degree(graph: PageRankGraph, key: Tensor, time: Tensor) -> Tensor:
    """(keys,) int64: how many visible edges the node of each (seed, node) has."""
    degree = torch.zeros_like(key)
    for direction in graph.directions:
        place, _, count = _ranges(graph, direction, key, time)
        degree[place] += count
    return degree


def _edges(graph: PageRankGraph, key: Tensor, time: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """All visible edges of the (seed, node) keys: the key reached, the position of the key left, the edge's time."""
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
    """The keys whose node the direction leaves: their positions, first visible rows and numbers of visible rows."""
    number = key % max(graph.nodes, 1)
    place = graph.of_type(number, direction.source).nonzero().flatten()
    node = number[place] - graph.first[direction.source]
    first, count = direction.visible(node, time[key[place] // graph.nodes])
    return place, first, count
