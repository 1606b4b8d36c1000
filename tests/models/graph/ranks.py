"""Personalised PageRank, one seed at a time, in plain Python."""

from collections import defaultdict

import numpy as np

from models.graph.push import WHOLE
from models.graph.schema import REVERSE, PageRank
from models.graph.store import TemporalGraph
from tests.models.graph.expected import Neighbour, Numbers, visible

Node = tuple[str, int]
Score = dict[Node, int]


def around(graph: TemporalGraph, rank: PageRank, node: Node, time: int) -> list[tuple[Node, int]]:
    """The nodes at the other ends of the visible edges of a node, with the edges' times."""
    found = []
    for edge in (graph.schema.edge(name) for base in rank.edges for name in (base, REVERSE + base)):
        if edge.source == node[0]:
            found += [((edge.target, one[0]), one[1]) for one in visible(graph, edge.name, node[1], time)]
    return found


def best(graph: TemporalGraph, rank: PageRank, node: int, time: int, numbers: Numbers) -> list[Neighbour]:
    """The nodes with the best scores: (node, latest time, score)."""
    if node < 0:
        return []
    seed = (rank.source, node)
    score, latest, whole = (
        walk(graph, rank, seed, time, numbers) if rank.method == "walk" else push(graph, rank, seed, time)
    )
    of_type = [other for other in score if other[0] == rank.target and other != seed and score[other]]
    order = sorted(of_type, key=lambda other: (-score[other], other[1]))[: rank.fan_out]
    return [(other[1], latest[other], score[other] / whole) for other in order]


def walk(
    graph: TemporalGraph, rank: PageRank, seed: Node, time: int, numbers: Numbers
) -> tuple[Score, dict[Node, int], int]:
    visits: Score = defaultdict(int)
    latest: dict[Node, int] = {}
    for number in range(rank.walks):
        node = seed
        for step in range(rank.steps):
            place = 2 * rank.walks * step + number
            edges = around(graph, rank, node, time)
            if not edges or (step and numbers[place + rank.walks] < round(rank.restart * 2**63)):
                break
            node, moment = edges[numbers[place] % len(edges)]
            visits[node] += 1
            latest[node] = max(moment, latest.get(node, moment))
    return visits, latest, sum(visits.values())


def push(graph: TemporalGraph, rank: PageRank, seed: Node, time: int) -> tuple[Score, dict[Node, int], int]:
    score: Score = defaultdict(int)
    residual: Score = defaultdict(int, {seed: WHOLE})
    latest: dict[Node, int] = {}
    threshold, pushed = round(rank.epsilon * WHOLE), False
    while True:
        edges = {node: around(graph, rank, node, time) for node in residual}
        above = {n: r for n, r in residual.items() if edges[n] and (not pushed or r >= threshold * len(edges[n]))}
        if not above:
            for node, amount in residual.items():
                score[node] += int(amount * rank.restart)
            return score, latest, WHOLE
        pushed = True
        for node, amount in above.items():
            kept = int(amount * rank.restart)
            share = (amount - kept) // len(edges[node])
            score[node] += kept
            residual[node] -= kept + share * len(edges[node])
            for other, moment in edges[node]:
                residual[other] += share
                latest[other] = max(moment, latest.get(other, moment))


def exact(graph: TemporalGraph, rank: PageRank, seed: Node, time: int) -> dict[Node, float]:
    """The PPR on the graph visible at ``time``, by power iteration."""
    nodes = [(node.name, index) for node in graph.schema.nodes for index in range(node.count)]
    place = {node: at for at, node in enumerate(nodes)}
    step = np.zeros((len(nodes), len(nodes)))
    for node in nodes:
        edges = around(graph, rank, node, time)
        for other, _ in edges:
            step[place[node], place[other]] += 1 / len(edges)
    share, total = np.zeros(len(nodes)), np.zeros(len(nodes))
    share[place[seed]] = 1.0
    for _ in range(200):
        total += rank.restart * share
        share = (1 - rank.restart) * share @ step
    return dict(zip(nodes, total, strict=True))
