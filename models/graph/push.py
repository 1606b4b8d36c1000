"""Personalized PageRank by forward push (Andersen, Chung, Lang 2006, "Local graph partitioning", section 3).

Scores and residuals are integers: sums do not depend on their order, and no probability is lost.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.graph.around import Around
from models.graph.pagerank_graph import PageRankGraph, Scores, WalkGraph
from models.graph.timeline import LATEST

WHOLE = 2**50
"""Stands for probability 1; exact in float64."""
SEEDS_AT_ONCE = 256
"""Bounds the memory of a push to about this many times 1 / (restart * epsilon) edges."""


@dataclass(frozen=True)
class Reached:
    """Every node that a push reached, and the seeds themselves, sorted by key."""

    key: Tensor
    """(n,) int64: position of the seed in the batch * ``WalkGraph.nodes`` + the node's number."""
    score: Tensor
    """(n,) int64, of ``WHOLE``."""
    moment: Tensor
    """(n,) int64 microseconds: the latest time of an edge by which the node was reached; -LATEST for none."""
    degree: Tensor
    """(n,) int64: the number of the node's edges that are visible to the seed."""


def reach(
    graph: WalkGraph, start: Tensor, time: Tensor, restart: float, epsilon: float, cold: Tensor | None = None
) -> Reached:
    """Push from each seed: the PPR scores of all nodes, to within epsilon * degree.

    ``start`` (batch,) int64: the seed's number, -1 = no such node; ``time`` (batch,) int64 microseconds; ``cold``
    (batch,) bool: seeds that are read as if nothing had happened to them; None = none. The seed starts with a residual
    of 1 and is pushed: it keeps the share ``restart`` and distributes the rest evenly over its visible edges. Then
    every node with a residual of at least epsilon * degree is pushed, round by round, until there is none; the share
    ``restart`` of the remaining residuals is added to the scores. Without the seed, the degrees of all pushed nodes sum
    up to at most 1 / (restart * epsilon), however large the graph is.
    """
    around = Around(graph, start, time, cold)
    threshold = max(round(epsilon * WHOLE), 1)
    seed = (start >= 0).nonzero().flatten()
    key = seed * graph.nodes + start[seed]  # stays sorted: unique() sorts below
    score, residual = torch.zeros_like(key), torch.full_like(key, WHOLE)
    moment, degree = torch.full_like(key, -LATEST), around.degree(key)
    pushed = (degree > 0).nonzero().flatten()  # the seed is pushed whatever its degree, to reach its neighbors
    while len(pushed):
        kept = (residual[pushed].double() * restart).long().clamp(min=1)  # else a last unit would go round forever
        share = (residual[pushed] - kept) // degree[pushed]
        score[pushed] += kept
        residual[pushed] -= kept + share * degree[pushed]  # the remainder of the division stays
        reached, origin, then = around.edges(key[pushed])
        before = len(key)
        key, place = torch.cat([key, reached]).unique(return_inverse=True)
        old, new = place[:before], place[before:]
        score = torch.zeros_like(key).index_put((old,), score)
        residual = torch.zeros_like(key).index_put((old,), residual).index_add(0, new, share[origin])
        moment = torch.full_like(key, -LATEST).index_put((old,), moment).scatter_reduce(0, new, then, "amax")
        degree = torch.full_like(key, -1).index_put((old,), degree)
        fresh = (degree < 0).nonzero().flatten()
        degree[fresh] = around.degree(key[fresh])
        pushed = ((degree > 0) & (residual // degree.clamp(min=1) >= threshold)).nonzero().flatten()
    score += (residual.double() * restart).long()  # what a push of the remaining residual would keep
    return Reached(key, score, moment, degree)


def push(graph: PageRankGraph, index: Tensor, known: Tensor, time: Tensor) -> Scores:
    """The scores (``reach``) of the PageRank's target type, without the seed itself.

    ``index`` (batch,) int64, ``known`` (batch,) bool: False = no such node, ``time`` (batch,) int64 microseconds.
    """
    start = torch.where(known, graph.first[graph.source] + index, -1)
    found = reach(graph, start, time, graph.rank.restart, graph.rank.epsilon)
    seed, number = found.key // graph.nodes, found.key % graph.nodes
    scored = graph.of_type(number, graph.target) & (found.score > 0) & (number != start[seed])
    node = number - graph.first[graph.target]
    whole = torch.full_like(time, WHOLE)
    return Scores(seed[scored], node[scored], found.score[scored], found.moment[scored], whole)
