"""Personalized PageRank by short random walks (Eksombatchai et al. 2018, Pixie; "2-hop PPR" of LiGNN, 2402.11139)."""

import torch
from torch import Tensor

from models.graph.chance import NUMBERS, Chance
from models.graph.pagerank_graph import Direction, PageRankGraph, Scores
from models.graph.tensors import pick
from models.graph.timeline import LATEST


def random_walk(graph: PageRankGraph, index: Tensor, known: Tensor, chance: Chance) -> Scores:
    """The scores of each seed from ``walks`` random walks of at most ``steps`` edges.

    ``index`` (batch,) int64, ``known`` (batch,) bool: False = no such node; ``chance`` holds the seeds' times. A step
    follows a uniformly random visible edge. After each step the walk ends with probability ``restart``. A node's score
    is its share of all visits.
    """
    rank, time = graph.rank, chance.time
    restart = min(round(rank.restart * NUMBERS), NUMBERS - 1)
    node, kind, going = index, torch.full_like(index, graph.source), known
    kinds = {graph.source}  # node types that a walk can be at in this step
    nodes, moments, visits, hits = [], [], [], []
    for step in range(rank.steps):
        choice, luck = chance.numbers(2 * rank.walks, begin=2 * rank.walks * step).split(rank.walks)  # (walks, batch)
        if step:
            going = going & (luck >= restart)
        directions = [direction for direction in graph.directions if direction.source in kinds]
        kinds = {direction.target for direction in directions}
        node, kind, moment, moved = _step(directions, node, kind, time, choice)
        going = going & moved
        nodes.append(node)
        moments.append(moment)
        visits.append(going)
        hits.append(going & (kind == graph.target))
    hit, node = torch.stack(hits), torch.stack(nodes)  # (steps, walks, batch)
    if graph.source == graph.target:
        hit = hit & (node != index)
    size = graph.counts[graph.target]
    key = torch.arange(len(index), device=index.device) * size + node
    found, place, count = key[hit].unique(return_inverse=True, return_counts=True)
    latest = torch.full_like(found, -LATEST).scatter_reduce(0, place, torch.stack(moments)[hit], "amax")
    return Scores(found // size, found % size, count, latest, whole=torch.stack(visits).sum(dim=(0, 1)))


def _step(
    directions: list[Direction], node: Tensor, kind: Tensor, time: Tensor, choice: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """One step of every walk: the node reached, its type, the edge's time, and whether there was a visible edge.

    ``node`` and ``kind`` (walks, batch), or (batch,) while all walks are at the seed; ``choice`` (walks, batch).
    """
    ranges = []
    for direction in directions:
        here = kind == direction.source
        first, count = direction.visible(node * here, time)
        ranges.append((first, count * here))
    total = sum((count for _, count in ranges), torch.zeros_like(time))
    point = choice % total.clamp(min=1)
    node, kind, moment = torch.zeros_like(point), torch.zeros_like(point), torch.zeros_like(point)
    for direction, (first, count) in zip(directions, ranges, strict=True):
        taken = (point >= 0) & (point < count)
        row = torch.where(taken, first + point, 0)
        node = torch.where(taken, pick(direction.edges.target, row).long(), node)
        kind = torch.where(taken, direction.target, kind)
        moment = torch.where(taken, pick(direction.edges.time, row), moment)
        point = point - count
    return node, kind, moment, (total > 0).expand_as(point)
