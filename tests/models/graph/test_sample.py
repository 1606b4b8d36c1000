"""The sampler against brute force, with ties in time, at every depth."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.graph import timeline
from models.graph.errors import QueryError
from models.graph.fakes import HOUR, START, fake_graph
from models.graph.sample import Sampler, as_of_version
from models.graph.store import TemporalGraph
from models.graph.tensors import EdgeTensors, without_attributes
from tests.models.graph.walk import check_tree
from tests.models.graph.worlds import PUSH, WALK, only, small_world, varied

worlds = cache(small_world)


@st.composite
def queries(draw: st.DrawFn, node: str) -> tuple[TemporalGraph, torch.Tensor, torch.Tensor]:
    """A small world, nodes (also unknown ones) and moments: on, just before and just after whole hours."""
    graph = worlds(draw(st.integers(0, 4)))
    index = draw(st.lists(st.integers(-1, graph.schema.node(node).count - 1), max_size=5))
    moment = st.builds(lambda hour, by: START + hour * HOUR + by, st.integers(-150, 540), st.integers(-1, 1))
    time = draw(st.lists(moment, min_size=len(index), max_size=len(index)))
    return graph, torch.tensor(index, dtype=torch.int64), torch.tensor(time, dtype=torch.int64)


@given(queries("member"), st.integers(0, 2), st.integers(0, 2))
@settings(max_examples=40, deadline=None)
def test_member_trees_equal_brute_force(
    query: tuple[TemporalGraph, torch.Tensor, torch.Tensor], seed: int, draw: int
) -> None:
    """Every strategy and every kind of PageRank, bit for bit."""
    check_tree(query[0], "member", *query[1:], seed, draw)


@given(queries("item"), st.integers(0, 2), st.integers(0, 2))
@settings(max_examples=40, deadline=None)
def test_item_trees_equal_brute_force(
    query: tuple[TemporalGraph, torch.Tensor, torch.Tensor], seed: int, draw: int
) -> None:
    check_tree(query[0], "item", *query[1:], seed, draw)


def check_activities(graph: TemporalGraph, member: torch.Tensor, time: torch.Tensor, count: int) -> None:
    found = Sampler(graph).activities(member, time, count)
    for row, (one, moment) in enumerate(zip(member.tolist(), time.tolist(), strict=True)):
        events = []
        for place, name in enumerate(graph.schema.activity_edges if one >= 0 else ()):
            edge = graph.edges[name]
            rows = range(int(edge.offsets[one]), int(edge.offsets[one + 1]))
            events += [(int(edge.time[r]), place, r, int(edge.target[r])) for r in rows if int(edge.time[r]) < moment]
        last = sorted(events)[-count:]
        padding = [0] * (count - len(last))
        assert found.mask[row].tolist() == [False] * len(padding) + [True] * len(last)
        assert found.time[row].tolist() == padding + [event[0] for event in last]
        assert found.edge[row].tolist() == padding + [event[1] for event in last]
        assert found.row[row].tolist() == padding + [event[2] for event in last]
        assert found.target[row].tolist() == padding + [event[3] for event in last]


@given(queries("member"), st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_activities_equal_brute_force(query: tuple[TemporalGraph, torch.Tensor, torch.Tensor], count: int) -> None:
    check_activities(*query, count)


def check_versions(graph: TemporalGraph, node: str, index: torch.Tensor, time: torch.Tensor) -> None:
    tensors = graph.nodes[node]
    found = as_of_version(tensors, index, time).tolist()
    for row, one, moment in zip(found, index.tolist(), time.tolist(), strict=True):
        rows = range(int(tensors.version_offsets[one]), int(tensors.version_offsets[one + 1])) if one >= 0 else ()
        assert row == max((r for r in rows if int(tensors.version_time[r]) < moment), default=-1)


@given(queries("member"))
@settings(max_examples=60, deadline=None)
def test_versions_equal_brute_force(query: tuple[TemporalGraph, torch.Tensor, torch.Tensor]) -> None:
    check_versions(query[0], "member", *query[1:])


def every_moment(graph: TemporalGraph, node: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Every node of the type, queried at the times of its own edges and versions: ties throughout."""
    count = graph.schema.node(node).count
    edges = [graph.edges[edge.name] for edge in graph.schema.edges if edge.source == node]
    tensors = graph.nodes[node]
    pairs = [(torch.repeat_interleave(edge.offsets.diff()), edge.time) for edge in edges]
    pairs.append((torch.repeat_interleave(tensors.version_offsets.diff()), tensors.version_time))
    assert count > 0
    return torch.cat([index for index, _ in pairs]), torch.cat([time for _, time in pairs])


@pytest.mark.parametrize("inclusive", [False, True])
def test_seeing_equal_times_would_be_found_out(inclusive: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The checks pass as the code stands, and each fails if the one comparison is made <= instead of <."""
    graph = fake_graph(members=4, items=5, impressions=40)
    if inclusive:
        monkeypatch.setattr(timeline, "is_before", lambda moment, time: moment <= time)
    trees = {
        "most recent": graph,
        "uniform": varied(graph, ("uniform",), ()),
        "weighted": varied(graph, ("weighted",), ()),
        "walk": only(graph, WALK),
        "push": only(graph, PUSH),
    }
    checks: dict[str, Callable[[], None]] = {
        **{name: partial(check_tree, world, "member", *every_moment(world, "member")) for name, world in trees.items()},
        "item tree": lambda: check_tree(graph, "item", *every_moment(graph, "item")),
        "activities": lambda: check_activities(graph, *every_moment(graph, "member"), 10),
        "versions": lambda: check_versions(graph, "item", *every_moment(graph, "item")),
    }
    for check in checks.values():
        if inclusive:
            with pytest.raises(AssertionError):
                check()
        else:
            check()


def test_nothing_is_seen_before_all_data_or_of_unknown_and_isolated_nodes() -> None:
    graph = fake_graph()
    isolated = graph.schema.node("member").count - 1
    early = START - 100 * 24 * HOUR
    index = torch.tensor([0, -1, isolated, 0])
    time = torch.tensor([early, START + 400 * HOUR, START + 400 * HOUR, -1])
    sampler = Sampler(graph)
    for branch in sampler.tree("member", index, time).branches.values():
        assert not branch.mask.any()
        assert not any(deeper.mask.any() for deeper in branch.branches.values())
    assert not sampler.activities(index, time, 5).mask.any()


def test_negative_times_are_moments_like_others() -> None:
    graph = fake_graph(members=3, items=4, impressions=30)
    shift = 10 * START
    edges = {name: replace(edge, time=edge.time - shift) for name, edge in graph.edges.items()}
    moved = replace(graph, edges=edges)
    index, time = every_moment(graph, "member")
    now, then = (Sampler(g).tree("member", index, t) for g, t in ((graph, time), (moved, time - shift)))
    assert all(torch.equal(now.branches[name].index, branch.index) for name, branch in then.branches.items())
    assert all(torch.equal(now.branches[name].delta, branch.delta) for name, branch in then.branches.items())


def test_an_empty_batch_and_an_edge_type_without_edges() -> None:
    graph = fake_graph(members=3, items=4, impressions=30)
    none = torch.zeros(0, dtype=torch.int64)
    tree = Sampler(graph).tree("member", none, none)
    assert tree.branches["clicked"].index.shape == (0, 4)
    assert tree.branches["clicked"].branches["rev_clicked"].index.shape == (0, 2)
    assert Sampler(graph).activities(none, none, 7).mask.shape == (0, 7)
    empty = EdgeTensors(torch.zeros(4, dtype=torch.int64), none.int(), none, none.float(), *without_attributes(none))
    graph = replace(graph, edges={**graph.edges, "clicked": empty})
    branch = Sampler(graph).tree("member", torch.tensor([0, 1]), torch.tensor([START, START])).branches["clicked"]
    assert branch.index.shape == (2, 4)
    assert not branch.mask.any()


def test_hops_cut_the_tree() -> None:
    graph = fake_graph(members=3, items=4)
    index, time = torch.tensor([0]), torch.tensor([START])
    assert Sampler(graph, hops=0).tree("member", index, time).branches == {}
    assert all(not b.branches for b in Sampler(graph, hops=1).tree("member", index, time).branches.values())


@pytest.mark.parametrize(
    ("node", "index", "time", "message"),
    [
        ("company", [0], [0], "one of member, item, creator"),
        ("member", [40], [0], "-1 (unknown) to 39"),
        ("member", [-2], [0], "found -2"),
        ("member", [-2, 0], [5, 7], "found -2 to 0"),
        ("member", [0, 40], [5, 7], "found 0 to 40"),
        ("member", [1, 2], [5, 2**62], f"found 5 to {2**62}. Nanoseconds?"),
        ("member", [1, 2], [-(2**62), 7], f"found {-(2**62)} to 7. Nanoseconds?"),
        ("member", [0, 1], [0], "one per index, 2; found 1"),
        ("member", [0.5], [0], "int64"),
        ("member", [[0]], [0], "shape (batch,)"),
        ("member", [0], [2**62], "between -2^62 and 2^62"),
        ("member", [0], [-(2**63)], "between -2^62 and 2^62"),
    ],
)
def test_invalid_queries_are_refused(node: str, index: list, time: list, message: str) -> None:
    with pytest.raises(QueryError) as error:
        Sampler(fake_graph()).tree(node, torch.tensor(index), torch.tensor(time))
    assert message in str(error.value)


@pytest.mark.parametrize("given", [{"hops": -1}, {"largest_fan_out": -1}, {"seed": 2**63}, {"seed": -(2**63) - 1}])
def test_senseless_samplers_are_refused(given: dict[str, int]) -> None:
    with pytest.raises(QueryError, match=f"{next(iter(given))}: expected .* found {next(iter(given.values()))}"):
        Sampler(fake_graph(), **given)


def test_samplers_at_the_limits_are_legal() -> None:
    graph = fake_graph(members=3, items=4)
    for seed in (-(2**63), 2**63 - 1):
        assert Sampler(graph, seed=seed).seed == seed
    tree = Sampler(graph, largest_fan_out=0).tree("member", torch.tensor([0]), torch.tensor([START]))
    assert {branch.index.shape for branch in tree.branches.values()} == {(1, 0)}


def test_questions_on_another_device_are_refused() -> None:
    elsewhere = torch.zeros(1, dtype=torch.int64, device="meta")
    with pytest.raises(QueryError, match="index: expected on the graph's device cpu; found meta"):
        Sampler(fake_graph()).tree("member", elsewhere, elsewhere)


def test_a_count_below_one_is_refused_and_one_is_not() -> None:
    sampler, zero = Sampler(fake_graph()), torch.tensor([0])
    with pytest.raises(QueryError, match="1 or more; found 0"):
        sampler.activities(zero, zero, 0)
    with pytest.raises(QueryError, match="one per index, 1; found 2"):
        sampler.activities(zero, torch.tensor([0, 0]), 1)
    check_activities(sampler.graph, *every_moment(sampler.graph, "member"), 1)


def test_activities_skip_edge_types_without_edges() -> None:
    graph = fake_graph(members=3, items=4, impressions=30)
    none, old = torch.zeros(0, dtype=torch.int64), graph.edges["clicked"]
    empty = EdgeTensors(torch.zeros_like(old.offsets), none.int(), none, none.float(), *without_attributes(none))
    graph = replace(graph, edges={**graph.edges, "clicked": empty})
    check_activities(graph, torch.arange(3), torch.full((3,), START + 500 * HOUR), 4)
    assert Sampler(graph).activities(torch.arange(2), torch.full((2,), START + 500 * HOUR), 4).mask.all()


def test_a_node_type_without_versions_has_none() -> None:
    graph = fake_graph()
    index, time = torch.tensor([0, -1, 3]), torch.full((3,), START + 500 * HOUR)
    assert as_of_version(graph.nodes["creator"], index, time).tolist() == [-1, -1, -1]


def test_sampling_is_deterministic() -> None:
    graph = fake_graph()
    seeds = graph.seeds
    one, two = (Sampler(graph).tree("item", seeds.item, seeds.time) for _ in range(2))
    assert all(torch.equal(one.branches[name].index, two.branches[name].index) for name in one.branches)
