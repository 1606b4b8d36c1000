"""Forward push and random walks on a few edges, by hand."""

from dataclasses import replace

import pytest
import torch

from models.graph.arrays import edges_from_arrays
from models.graph.chance import Draw
from models.graph.fakes import START, fake_graph
from models.graph.pagerank_graph import PageRankGraph, Scores
from models.graph.push import push
from models.graph.random_walk import random_walk
from models.graph.schema import PageRank
from models.graph.store import TemporalGraph
from models.graph.tensors import EdgeTensors, without_attributes

RANK = PageRank("near", "member", "item", ("liked",), fan_out=3, method="push", restart=0.5, epsilon=0.25)
WHOLE = 2**50


def world(pairs: list[tuple[int, int]]) -> TemporalGraph:
    """Members and items connected by these pairs alone, a microsecond after one another."""
    graph = fake_graph(members=3, items=4)
    source, target = torch.tensor(pairs).T
    both = edges_from_arrays(source, target, START + torch.arange(len(pairs)), sources=3, targets=4)
    return replace(graph, edges={**graph.edges, **dict(zip(("liked", "rev_liked"), both, strict=True))})


def pushed(graph: TemporalGraph, rank: PageRank) -> Scores:
    seed = torch.tensor([0])
    return push(PageRankGraph(graph, rank), seed, seed >= 0, seed + START + 10)


def listed(scores: Scores) -> list[tuple[int, int]]:
    return list(zip(scores.node.tolist(), scores.score.tolist(), strict=True))


def test_a_residual_at_the_threshold_is_pushed_and_one_below_is_not() -> None:
    """The seed keeps a half and passes a quarter to each of two items, whose one edge leads back."""
    graph = world([(0, 0), (0, 1)])
    scores = pushed(graph, RANK)
    assert scores.whole.tolist() == [WHOLE]
    assert listed(scores) == [(0, WHOLE // 8), (1, WHOLE // 8)]
    assert scores.moment.tolist() == [START, START + 1]
    members = replace(RANK, target="member")
    assert listed(pushed(world([(0, 0), (0, 1), (1, 0)]), members)) == []  # item 0 has two edges: below
    assert listed(pushed(world([(0, 0), (1, 0)]), replace(members, epsilon=0.25))) == [(1, WHOLE // 16)]
    assert listed(pushed(world([(0, 0), (1, 0)]), replace(members, epsilon=0.2500001))) == []


@pytest.mark.parametrize(("restart", "found"), [(2.0**-48, [(0, 1), (1, 1)]), (2.0**-51, [])])
def test_a_score_of_one_unit_counts_and_of_none_does_not(restart: float, found: list[tuple[int, int]]) -> None:
    graph = world([(0, 0), (0, 1)])
    assert listed(pushed(graph, replace(RANK, restart=restart, epsilon=0.9))) == found


def test_the_smallest_epsilon_ends() -> None:
    """Two nodes and one edge: the item's score is r (1 - r) / (1 - (1 - r)^2)."""
    for restart in (0.25, 0.5):
        ((item, score),) = listed(pushed(world([(0, 2)]), replace(RANK, restart=restart, epsilon=1e-30)))
        share = restart * (1 - restart) / (1 - (1 - restart) ** 2)
        assert item == 2
        assert score / WHOLE == pytest.approx(share, rel=1e-12)


def test_a_node_without_a_way_back_is_scored_and_not_pushed() -> None:
    graph = world([(0, 0)])
    nothing = torch.zeros(0, dtype=torch.int64)
    offsets = torch.zeros(5, dtype=torch.int64)
    without = EdgeTensors(offsets, nothing.int(), nothing, nothing.float(), *without_attributes(nothing))
    graph = replace(graph, edges={**graph.edges, "rev_liked": without})
    assert listed(pushed(graph, replace(RANK, epsilon=1e-3))) == [(0, WHOLE // 4)]


def walked(graph: TemporalGraph, **change: object) -> Scores:
    rank = replace(RANK, method="walk", walks=8, **change)  # type: ignore[arg-type]
    seed = torch.tensor([0, 0, 1])
    chance = Draw(seed=3, draw=0, hop=0, place=0).of(seed, seed + START + 10)
    return random_walk(PageRankGraph(graph, rank), seed, torch.tensor([True, False, True]), chance)


def test_walks_along_a_single_edge_go_to_and_fro() -> None:
    scores = walked(world([(0, 2)]), steps=4, restart=0.0)
    assert listed(scores) == [(2, 16)]
    assert (scores.seed.tolist(), scores.whole.tolist(), scores.moment.tolist()) == ([0], [32, 0, 0], [START])


def test_with_a_restart_of_one_every_walk_ends_after_one_step() -> None:
    scores = walked(world([(0, 2), (1, 2)]), steps=4, restart=1.0)
    assert listed(scores) == [(2, 8), (2, 8)]
    assert (scores.seed.tolist(), scores.whole.tolist()) == ([0, 2], [8, 0, 8])


def test_a_graph_without_nodes_has_no_scores() -> None:
    none = torch.zeros(0, dtype=torch.int64)
    graph = PageRankGraph(world([(0, 0)]), RANK)
    graph.counts, graph.first, graph.nodes, graph.directions = [0, 0, 0], [0, 0, 0], 0, []
    walks = random_walk(graph, none, none.bool(), Draw(0, 0, 0, 0).of(none, none))
    for scores in (push(graph, none, none.bool(), none), walks):
        assert listed(scores) == []
        assert scores.whole.shape == (0,)
