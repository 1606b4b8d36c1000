"""Branches of a tree by personalized PageRank (PPR): the nodes with the highest score as of each seed.

Walks follow edges in both directions, only those visible to the SEED: strictly before its time, within their windows.
The result for a seed is the same in any batch, in any order, on any device.
"""

import torch
from torch import Tensor

from models.graph.chance import Draw
from models.graph.pagerank_graph import PageRankGraph, Scores
from models.graph.push import SEEDS_AT_ONCE, push
from models.graph.random_walk import random_walk
from models.graph.tree import Branch


def pagerank(graph: PageRankGraph, fan_out: int, index: Tensor, known: Tensor, time: Tensor, draw: Draw) -> Branch:
    """The ``fan_out`` nodes with the highest score for each seed, best first, ties by the smaller index.

    ``index`` (batch,) int64, ``known`` (batch,) bool: False = no such node, ``time`` (batch,) int64 microseconds. The
    branch's ``weight`` is the score, its ``edge_time`` that of the latest edge by which the node was reached. The
    seed's own node is left out.
    """
    if graph.rank.method == "walk":
        return _best(random_walk(graph, index, known, draw.of(index, time)), fan_out, time)
    parts = zip(*(part.split(SEEDS_AT_ONCE) for part in (index, known, time)), strict=True)
    branches = [_best(push(graph, *part), fan_out, part[2]) for part in parts]
    return Branch(
        index=torch.cat([branch.index for branch in branches]),
        mask=torch.cat([branch.mask for branch in branches]),
        edge_time=torch.cat([branch.edge_time for branch in branches]),
        weight=torch.cat([branch.weight for branch in branches]),
        time=torch.cat([branch.time for branch in branches]),
        row=torch.cat([branch.row for branch in branches]),
    )


def _best(scores: Scores, fan_out: int, time: Tensor) -> Branch:
    """The best nodes of each seed as a branch; ``time`` (batch,)."""
    order = scores.score.sort(descending=True, stable=True).indices
    order = order[scores.seed[order].sort(stable=True).indices]
    seed = scores.seed[order]
    place = torch.arange(len(seed), device=seed.device) - torch.searchsorted(seed, seed)
    order, seed, place = (part[place < fan_out] for part in (order, seed, place))

    def by_seed(values: Tensor) -> Tensor:
        return values.new_zeros(len(time), fan_out).index_put((seed, place), values)

    return Branch(
        index=by_seed(scores.node[order]),
        mask=by_seed(torch.ones_like(seed, dtype=torch.bool)),
        edge_time=by_seed(scores.moment[order]),
        weight=by_seed((scores.score[order].double() / scores.whole[seed].double()).float()),
        time=time.unsqueeze(1).expand(-1, fan_out),
        row=time.new_zeros(len(time), fan_out),
    )
