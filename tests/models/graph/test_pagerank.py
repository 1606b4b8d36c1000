"""Personalised PageRank branches (that they equal brute force, bit for bit, stands in ``test_sample``)."""

from dataclasses import replace
from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.graph.errors import QueryError
from models.graph.fakes import DAY, HOUR, START, fake_graph
from models.graph.pagerank_graph import PageRankGraph
from models.graph.push import WHOLE
from models.graph.push import push as push_of
from models.graph.sample import Sampler
from models.graph.schema import GraphSchema, PageRank
from models.graph.store import TemporalGraph
from models.graph.tensors import EdgeTensors, without_attributes
from tests.models.graph.expected import Numbers
from tests.models.graph.ranks import around, exact, push, walk
from tests.models.graph.walk import check_tree
from tests.models.graph.worlds import EDGES, PAGERANKS, PUSH, WALK, only, small_world

END = START + 30 * DAY
worlds = cache(small_world)


def branch_of(graph: TemporalGraph, rank: PageRank, index: list[int], time: list[int]) -> list[dict[int, float]]:
    """By seed: the score of each node of the branch."""
    tree = Sampler(only(graph, rank)).tree(rank.source, torch.tensor(index), torch.tensor(time))
    branch = tree.branches[rank.name]
    found = zip(branch.index.tolist(), branch.weight.tolist(), branch.mask.tolist(), strict=True)
    return [{n: w for n, w, m in zip(*row, strict=True) if m} for row in found]


@given(st.integers(0, 4), st.integers(0, 5), st.integers(0, 540), st.sampled_from([0.1, 0.25, 0.6]))
@settings(max_examples=25, deadline=None)
def test_a_push_is_within_epsilon_times_the_degree(world: int, member: int, hour: int, restart: float) -> None:
    graph, time = worlds(world), START + hour * HOUR
    rank = replace(PUSH, target="item", fan_out=7, restart=restart, epsilon=2e-3)
    truth = exact(graph, rank, ("member", member), time)
    found = branch_of(graph, rank, [member], [time])[0]
    if not around(graph, rank, ("member", member), time):
        assert not found
        return
    for item in range(7):
        missing = truth["item", item] - found.get(item, 0.0)
        degree = len(around(graph, rank, ("item", item), time))
        assert -1e-6 <= missing <= rank.epsilon * degree + 1e-6


def test_a_seed_too_busy_for_epsilon_reaches_its_neighbours() -> None:
    graph = worlds(1)
    found = branch_of(graph, replace(PUSH, target="item", fan_out=7, epsilon=0.9), [2], [END])[0]
    assert set(found) == {node for (kind, node), _ in around(graph, PUSH, ("member", 2), END) if kind == "item"}
    assert all(score > 0 for score in found.values())


def test_scores_of_a_push_are_the_reference_to_the_last_unit() -> None:
    graph, seeds, time = worlds(4), torch.arange(6), torch.full((6,), END)
    scores = push_of(PageRankGraph(graph, PUSH), seeds, seeds >= 0, time)
    found = zip(scores.seed.tolist(), scores.node.tolist(), scores.score.tolist(), scores.moment.tolist(), strict=True)
    expected = []
    for seed in seeds.tolist():
        score, latest, _ = push(graph, PUSH, ("member", seed), END)
        nodes = sorted(node for kind, node in score if kind == "member" and node != seed)
        expected += [(seed, node, score["member", node], latest["member", node]) for node in nodes]
    assert list(found) == expected


def test_a_push_loses_nothing() -> None:
    """Pushed until hardly anything remains, the scores of all nodes sum up to 1."""
    graph, total = worlds(1), 0.0
    rank = replace(PUSH, epsilon=1e-9, fan_out=7)
    for target in ("member", "item", "creator"):
        found = branch_of(graph, replace(rank, target=target), [2], [END])[0]
        total += sum(found.values())
    score, _, _ = push(graph, rank, ("member", 2), END)
    assert total + score["member", 2] / WHOLE == pytest.approx(1, abs=1e-5)


def test_many_walks_come_near_their_expectation() -> None:
    """Visits of two steps: those of step 1, then (1 - restart) of those of step 2."""
    graph = worlds(2)
    rank = replace(WALK, walks=4_000, steps=2, restart=0.4, fan_out=7)
    first = around(graph, rank, ("member", 1), END)
    expected: dict[int, float] = {}
    for share, nodes in ((1.0, [(node, 1 / len(first)) for node, _ in first]), (0.6, [])):
        if share < 1:
            for middle, _ in first:
                second = around(graph, rank, middle, END)
                nodes += [(node, 1 / len(first) / len(second)) for node, _ in second]
        for node, chance in nodes:
            if node[0] == "item":
                expected[node[1]] = expected.get(node[1], 0.0) + share * chance / 1.6
    found = branch_of(graph, rank, [1], [END])[0]
    assert found.keys() == expected.keys()
    for item, share in expected.items():
        assert found[item] == pytest.approx(share, abs=0.03)


def test_the_seeds_own_node_is_left_out_and_the_rest_stands_in_order() -> None:
    graph = fake_graph()
    for method in ("walk", "push"):
        rank = PageRank("near", "member", "member", EDGES, 6, method)
        index = graph.seeds.member[:100]
        branch = Sampler(only(graph, rank)).tree("member", index, graph.seeds.time[:100]).branches["near"]
        assert branch.mask.float().mean() > 0.9
        assert not ((branch.index == index.unsqueeze(1)) & branch.mask).any()
        weight, node = branch.weight, branch.index
        assert (weight[:, :-1] >= weight[:, 1:]).all()
        tied = (weight[:, :-1] == weight[:, 1:]) & branch.mask[:, 1:]
        assert tied.any() == (method == "walk")
        assert (node[:, :-1] < node[:, 1:])[tied].all()
        assert (branch.delta[branch.mask] > 0).all()


def test_batches_larger_than_one_go_have_the_same_result() -> None:
    graph = only(fake_graph(members=12, items=14), PUSH)
    index = torch.arange(700) % 14 - 2  # also unknown ones
    index = index.clamp(min=-1)
    time = START + torch.arange(700) * HOUR
    whole = Sampler(graph).tree("member", index, time).branches["like"]
    for rows in (slice(0, 10), slice(250, 260), slice(690, 700)):
        part = Sampler(graph).tree("member", index[rows], time[rows]).branches["like"]
        assert torch.equal(part.index, whole.index[rows])
        assert torch.equal(part.weight, whole.weight[rows])


def test_nothing_is_near_without_edges() -> None:
    graph = worlds(0)
    none = torch.zeros(0, dtype=torch.int64)
    bare = {
        name: EdgeTensors(torch.zeros_like(edges.offsets), none.int(), none, none.float(), *without_attributes(none))
        for name, edges in graph.edges.items()
    }
    for rank in PAGERANKS:
        for world in (only(graph, rank), replace(only(graph, rank), edges=bare)):
            count = world.schema.node(rank.source).count
            for index, moment in ((torch.tensor([-1, count - 1, 0]), START - 200 * DAY), (none, START)):
                time = torch.full_like(index, moment)
                branch = Sampler(world).tree(rank.source, index, time).branches[rank.name]
                assert branch.index.shape == (len(index), rank.fan_out)
                assert not branch.mask.any()
                assert not branch.weight.any()
                assert not branch.edge_time.any()
        check_tree(replace(only(graph, rank), edges=bare), rank.source, torch.tensor([0]), torch.tensor([END]))


def test_a_walk_without_an_end_is_the_reference_too() -> None:
    """All visits are counted, those of other types and of the seed itself as well."""
    graph = worlds(3)
    rank = replace(WALK, restart=0.0, steps=5, fan_out=7)
    visits, _, whole = walk(graph, rank, ("member", 0), END, Numbers(0, 0, 0, len(graph.schema.edges), 0, END))
    assert whole == rank.walks * rank.steps
    found = branch_of(graph, rank, [0], [END])[0]
    assert {("item", node): round(share * whole) for node, share in found.items()} == {
        node: count for node, count in visits.items() if node[0] == "item"
    }


@pytest.mark.parametrize("change", [{"source": "company"}, {"target": "company"}, {"edges": ("clicked", "bought")}])
def test_types_that_the_graph_lacks_are_refused(change: dict) -> None:
    graph = fake_graph(members=3, items=4)
    schema = replace(graph.schema, pageranks=(replace(WALK, **change),))
    with pytest.raises(QueryError, match=r"PageRank near: expected a .* of the graph .*; found '(company|bought)'"):
        Sampler(replace(graph, schema=schema))


def test_pageranks_travel_with_the_schema() -> None:
    schema = small_world(0).schema
    assert GraphSchema.from_json(schema.to_json()) == schema
    assert schema.targets["author"] == "creator"
    assert [branch.name for branch in schema.branches_from("member", 0)][-2:] == ["near", "like"]
    assert "near" not in [branch.name for branch in schema.branches_from("member", 1)]
