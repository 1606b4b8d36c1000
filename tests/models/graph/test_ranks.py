"""P against a dense solution, by hand, and as of a time."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from models.graph.errors import GraphInputError, QueryError
from models.graph.fakes import HOUR, START, fake_graph
from models.graph.ranks import place_ranks, ranks_of_edges
from models.graph.sample import Sampler
from models.graph.schema import BEHAVIOR, REVERSE
from models.graph.store import TemporalGraph
from tests.models.graph.ranks import around, exact
from tests.models.graph.worlds import EDGES, PUSH, small_world

pairs = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=20)
NONE = torch.zeros(2, 0, dtype=torch.int64)


def dense(edge_index: Tensor, nodes: int, restart: float) -> Tensor:
    """P of all pairs by a linear solve: alpha (1 - (1 - alpha) D^-1 A)^-1, then sqrt(deg_i) / sqrt(deg_j)."""
    walk = torch.zeros(nodes, nodes, dtype=torch.float64)
    for sender, receiver in edge_index.T.tolist():
        walk[receiver, sender] += 1
    degree = walk.sum(dim=1).clamp(min=1)
    inverse = torch.linalg.inv(torch.eye(nodes).double() - (1 - restart) * walk / degree.unsqueeze(1))
    return restart * inverse * degree.sqrt().unsqueeze(1) / degree.sqrt()


def matrix(edge_index: Tensor, nodes: int, **options: float) -> Tensor:
    index = torch.arange(nodes)
    return ranks_of_edges(edge_index, nodes, **options).of(index.unsqueeze(1), index)


@given(pairs, st.booleans(), st.sampled_from([0.1, 0.25, 0.6]))
@settings(max_examples=60, deadline=None)
def test_it_is_the_linear_solution(drawn: list[tuple[int, int]], both: bool, restart: float) -> None:
    """Of graphs with loops, repeated edges, nodes without edges (7 and others), directed ones too."""
    edge_index = torch.tensor(drawn, dtype=torch.int64).view(-1, 2).T
    edge_index = torch.cat([edge_index, edge_index.flip(0)], dim=1) if both else edge_index
    found = matrix(edge_index, 8, restart=restart, epsilon=1e-9)
    torch.testing.assert_close(found.double(), dense(edge_index, 8, restart), atol=1e-6, rtol=0)


def test_only_the_top_count_and_ties_go_to_the_smaller_number() -> None:
    star = torch.tensor([[0, 0, 0, 0], [1, 2, 3, 4]])
    found = matrix(torch.cat([star, star.flip(0)], dim=1), 5, top=3)
    assert (found[0] > 0).tolist() == [True, True, True, False, False]
    assert (found[4] > 0).tolist() == [True, True, False, False, True]


def test_nodes_without_edges_and_no_nodes_at_all() -> None:
    assert matrix(NONE, 3).tolist() == [[0.25, 0, 0], [0, 0.25, 0], [0, 0, 0.25]]
    assert matrix(NONE, 0).shape == (0, 0)
    with pytest.raises(GraphInputError, match="expected 0 to 1"):
        ranks_of_edges(torch.tensor([[0], [2]]), 2)


@pytest.mark.parametrize(
    ("edges", "options", "message"),
    [
        (torch.zeros(3, 2, dtype=torch.int64), {}, r"edge_index: expected shape \(2, edges\); found \(3, 2\)"),
        (torch.zeros(2, 1), {}, "target|source: expected integers"),
        (NONE, {"restart": 0.0}, "restart: expected a number above 0 and below 1; found 0.0"),
        (NONE, {"epsilon": float("nan")}, "epsilon: expected .*; found nan"),
        (NONE, {"top": 0}, "top: expected 1 or more; found 0"),
    ],
)
def test_what_makes_no_sense_is_refused(edges: Tensor, options: dict[str, float], message: str) -> None:
    with pytest.raises((GraphInputError, QueryError), match=message):
        matrix(edges, 3, **options)


def ranks_in(graph: TemporalGraph, node: str, index: Tensor, time: Tensor, cold: Tensor | None = None) -> list[Tensor]:
    found = place_ranks(graph, graph.schema, Sampler(graph).tree(node, index, time, cold=cold))
    return [found.own, *found.places.values()]


@given(st.integers(0, 4), st.integers(0, 6), st.integers(0, 540), st.sampled_from(["member", "item"]))
@settings(max_examples=25, deadline=None)
def test_places_of_a_tree_have_the_pagerank_of_what_the_seed_sees(world: int, index: int, hour: int, side: str) -> None:
    """Small worlds have fewer than 32 nodes, and epsilon is small: against power iteration in plain Python."""
    graph, time = small_world(world), START + hour * HOUR
    index = min(index, graph.schema.node(side).count - 1)
    tree = Sampler(graph).tree(side, torch.tensor([index, -1]), torch.tensor([time, time]))
    found, rank = place_ranks(graph, graph.schema, tree), replace(PUSH, edges=EDGES, restart=0.25)
    truth = exact(graph, rank, (side, index), time)

    def degree(node: tuple[str, int]) -> int:
        return max(len(around(graph, rank, node, time)), 1)

    def check(value: float, node: tuple[str, int]) -> None:
        scale = (degree((side, index)) / degree(node)) ** 0.5
        assert -1e-6 <= truth[node] * scale - value <= 1e-4 * degree(node) * scale + 1e-6

    check(found.own[0].item(), (side, index))
    for name, branch in tree.branches.items():
        for place, (node, there) in enumerate(zip(branch.index[0].tolist(), branch.mask[0].tolist(), strict=True)):
            value = found.places[name][0, place].item()
            if there:
                check(value, (graph.schema.targets[name], node))
            else:
                assert value == 0
        assert not found.places[name][1].any()
    assert found.own[1] == 0


@given(st.integers(0, 2**31), st.integers(0, 480))
@settings(max_examples=25, deadline=None)
def test_what_is_at_or_after_a_seed_changes_nothing(draw: int, hour: int) -> None:
    """Edges are at whole hours, so many are at the very time of the seeds."""
    graph, time = fake_graph(members=12, items=16), START + hour * HOUR
    generator = torch.Generator().manual_seed(draw)
    edges = {}
    for name, one in graph.edges.items():
        other = torch.randint(int(one.target.max()) + 1, one.target.shape, generator=generator, dtype=torch.int32)
        edges[name] = replace(one, target=torch.where(one.time >= time, other, one.target))
    assert any(not torch.equal(edges[name].target, graph.edges[name].target) for name in edges)
    for side in ("member", "item"):
        index = torch.arange(graph.schema.node(side).count)
        now = torch.full_like(index, time)
        found = ranks_in(replace(graph, edges=edges), side, index, now)
        assert all(map(torch.equal, found, ranks_in(graph, side, index, now)))


def test_a_cold_seed_has_the_ranks_of_a_graph_without_its_behavior() -> None:
    graph = fake_graph(members=12, items=16)
    time = torch.full((2,), graph.schema.seeds.windows[-1].end)
    for item in range(16):
        edges = {}
        for edge in graph.schema.edges:
            one = graph.edges[edge.name]
            owner = torch.repeat_interleave(torch.arange(len(one.offsets) - 1), one.offsets.diff())
            at = owner if edge.name.startswith(REVERSE) else one.target
            hidden = (at == item) & (edge.kind in BEHAVIOR) & ("item" in (edge.source, edge.target))
            count = torch.bincount(owner[~hidden], minlength=len(one.offsets) - 1)
            edges[edge.name] = replace(
                one,
                offsets=torch.nn.functional.pad(count.cumsum(0), (1, 0)),
                **{name: getattr(one, name)[~hidden] for name in ("target", "time", "numbers", "categories")},
                weight=one.weight[~hidden],
            )
        index, other = torch.tensor([item, item]), (item + 1) % 16
        found = ranks_in(graph, "item", torch.tensor([item, other]), time, torch.tensor([True, False]))
        bare = ranks_in(replace(graph, edges=edges), "item", index, time)
        whole = ranks_in(graph, "item", torch.tensor([item, other]), time)
        assert all(torch.equal(a[0], b[0]) for a, b in zip(found, bare, strict=True))
        assert all(torch.equal(a[1], b[1]) for a, b in zip(found, whole, strict=True))


def test_a_seed_has_the_same_ranks_in_any_batch() -> None:
    graph = fake_graph(members=12, items=14)
    index, time = torch.arange(700) % 13 - 1, START + torch.arange(700) * HOUR
    whole = ranks_in(graph, "member", index, time)
    for rows in (slice(0, 5), slice(250, 260), slice(695, 700)):
        found = ranks_in(graph, "member", index[rows], time[rows])
        assert all(torch.equal(a[rows], b) for a, b in zip(whole, found, strict=True))
