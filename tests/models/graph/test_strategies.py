"""Uniform and weighted draws: their distribution, and what they do and do not depend on."""

from dataclasses import replace
from functools import cache
from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.graph.chance import Draw, mixed
from models.graph.errors import GraphInputError
from models.graph.fakes import DAY, START, fake_graph
from models.graph.hashing import hash_integers
from models.graph.sample import Sampler
from models.graph.schema import EdgeType, Strategy
from models.graph.store import TemporalGraph
from models.graph.strategies import weighted
from models.graph.tensors import EdgeTensors, without_attributes
from models.graph.tree import Branch, Tree
from tests.models.graph.expected import split_mix
from tests.models.graph.test_sample import queries
from tests.models.graph.walk import check_tree
from tests.models.graph.worlds import small_world, varied

END = START + 30 * DAY
LUCKY: tuple[Strategy, ...] = ("uniform", "weighted")


def held(branch: Branch) -> list[torch.Tensor]:
    return [branch.index, branch.mask, branch.edge_time, branch.weight]


def flat(tree: Tree) -> list[torch.Tensor]:
    """All that a tree holds, branch by branch, each with one row per seed."""
    found: list[torch.Tensor] = []

    def visit(branches: dict[str, Branch]) -> None:
        for branch in branches.values():
            for part in held(branch):
                found.append(part.unflatten(0, (len(tree.index), part.shape[0] // max(len(tree.index), 1))))
            visit(branch.branches)

    visit(tree.branches)
    return found


def same(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def one_member(weights: list[float], strategy: Strategy, fan_out: int) -> TemporalGraph:
    """Member 0 with one "clicked" edge to each of the first items, of those weights; no other edges."""
    graph, count = fake_graph(members=3, items=20), len(weights)
    offsets = torch.tensor([0, count, count, count])
    time = START + torch.arange(count)
    target = torch.arange(count, dtype=torch.int32)
    edges = EdgeTensors(offsets, target, time, torch.tensor(weights), *without_attributes(time))
    schema = replace(
        graph.schema,
        edges=(EdgeType("clicked", "member", "item", "engagement", "feed", (fan_out,), strategy=strategy),),
        activity_edges=(),
    )
    return replace(graph, schema=schema, edges={"clicked": edges})


def test_weights_are_whole_steps_of_at_least_one() -> None:
    (edges,) = one_member([1e-9, 0.0, 1.0, 0.5], "weighted", 1).edges.values()
    assert edges.cumulative_weight.diff().tolist() == [1, 0, 2**20, 2**19]
    assert edges.cumulative_zeros is not None
    assert edges.cumulative_zeros.tolist() == [0, 0, 1, 1, 1]


def test_edges_of_weight_0_are_drawn_with_random_numbers_of_their_own() -> None:
    (edges,) = one_member([0.0] * 7, "weighted", 1).edges.values()
    chance = Draw(seed=1, draw=2, hop=0, place=3).of(torch.arange(50), torch.arange(50))
    first, end = torch.zeros(50, dtype=torch.int64), torch.full((50,), 7)
    row, mask = weighted(edges, first, end, 1, chance)
    assert mask.all()
    assert torch.equal(row[:, 0], chance.numbers(1, begin=2**20)[0] % 7)


def drawn(graph: TemporalGraph, queries: int) -> torch.Tensor:
    """(queries, fan_out): what member 0 drew as of that many moments, all of which see the same edges."""
    time = END + torch.arange(queries)
    return Sampler(graph).tree("member", torch.zeros_like(time), time).branches["clicked"].index


def chi_square(found: torch.Tensor, expected: np.ndarray) -> float:
    """How far counts are from what was expected, in standard deviations of the statistic above its mean."""
    freedom = len(expected) - 1
    statistic = float((((found.numpy() - expected) ** 2) / expected).sum())
    return (statistic - freedom) / (2 * freedom) ** 0.5


@pytest.mark.parametrize(
    ("strategy", "weights"), [("uniform", [1.0, 2.0, 3.0, 4.0, 5.0]), ("weighted", [0.5, 1.0, 1.5, 3.0, 4.0])]
)
def test_every_order_of_drawing_is_as_likely_as_successive_draws_make_it(
    strategy: Strategy, weights: list[float]
) -> None:
    """Three out of five: all 60 orders, not the first places or the sets alone."""
    queries = 60_000
    found = drawn(one_member(weights, strategy, 3), queries)
    counts = torch.bincount(found[:, 0] * 25 + found[:, 1] * 5 + found[:, 2], minlength=125)
    shares = np.ones(5) if strategy == "uniform" else np.array(weights)
    orders, expected = list(permutations(range(5), 3)), []
    for a, b, c in orders:
        left = shares.sum()
        chances = shares[a] / left * shares[b] / (left - shares[a]) * shares[c] / (left - shares[a] - shares[b])
        expected.append(queries * chances)
    met = counts[[25 * a + 5 * b + c for a, b, c in orders]]
    assert int(met.sum()) == queries  # nothing is drawn twice
    assert chi_square(met, np.array(expected)) < 4


def test_a_weight_of_almost_nothing_is_drawn_last() -> None:
    found = drawn(one_member([1.0, 0.0, 2.0, 1.0], "weighted", 4), 2_000)
    assert (found[:, 3] == 1).float().mean() > 0.99
    assert (found.sort(dim=1).values == torch.arange(4)).all()


@pytest.mark.parametrize("scale", [1.0, 1e-9, 1e-30, 1e-44, 1e9])
def test_what_weighs_nothing_is_drawn_after_all_others(scale: float) -> None:
    """However light the others are, never before one of them; among themselves with equal chances."""
    graph = one_member([0.0, 3 * scale, 0.0, -0.0, scale], "weighted", 5)
    found = drawn(graph, 4_000)
    assert (found.sort(dim=1).values == torch.arange(5)).all()
    assert (found[:, :2].sort(dim=1).values == torch.tensor([1, 4])).all()
    orders = torch.unique(found[:, 2:], dim=0, return_counts=True)[1]
    assert chi_square(orders, np.full(6, 4_000 / 6)) < 4
    assert abs(float((found[:, 0] == 1).float().mean()) - 0.75) < 0.03  # in proportion, among the lightest too
    less = drawn(one_member([0.0, 3 * scale, 0.0, -0.0, scale], "weighted", 3), 4_000)
    assert torch.equal(less, found[:, :3])


@pytest.mark.parametrize("count", [1, 4])
def test_where_all_weigh_nothing_all_are_drawn_with_equal_chances(count: int) -> None:
    graph = one_member([0.0] * count, "weighted", 6)
    time = END + torch.arange(8_000)
    branch = Sampler(graph).tree("member", torch.zeros_like(time), time).branches["clicked"]
    assert branch.mask.sum(dim=1).unique().tolist() == [count]
    assert (branch.index[:, :count].sort(dim=1).values == torch.arange(count)).all()
    first = torch.bincount(branch.index[:, 0], minlength=count)
    assert count == 1 or chi_square(first, np.full(count, 8_000 / count)) < 4
    early = Sampler(graph).tree("member", torch.tensor([0, -1, 1]), torch.tensor([START, END, END]))
    assert not early.branches["clicked"].mask.any()


def test_a_single_edge_is_drawn_once_however_heavy() -> None:
    """Also where the sum of all draws would not fit into int64."""
    for strategy, weight in zip(LUCKY, (2.0, 2.0**41), strict=True):
        graph = one_member([weight], strategy, 9)
        branch = Sampler(graph).tree("member", torch.tensor([0]), torch.tensor([END])).branches["clicked"]
        assert branch.mask.tolist() == [[True] + 8 * [False]]
        assert branch.weight.tolist() == [[weight] + 8 * [0.0]]


def test_negative_weights_are_refused() -> None:
    with pytest.raises(GraphInputError, match="weights: expected 0 or more; found -2"):
        drawn(one_member([1.0, -2.0], "weighted", 1), 1)


def test_unit_weights_are_drawn_as_uniform() -> None:
    graphs = [one_member([1.0] * 9, strategy, 4) for strategy in LUCKY]
    for graph in graphs:
        graph.edges["clicked"].weight = torch.zeros(0)
    assert torch.equal(*(drawn(graph, 50) for graph in graphs))
    for graph in graphs:
        check_tree(graph, "member", torch.zeros(20, dtype=torch.int64), END + torch.arange(20))


@pytest.mark.parametrize("weights", [[float("inf")], [float("nan")], [1e13]])
def test_weights_that_cannot_be_counted_are_refused(weights: list[float]) -> None:
    with pytest.raises(GraphInputError, match=r"sum up to less than 2\^42 .* Scale them down"):
        drawn(one_member(weights, "weighted", 1), 1)


@given(queries("member"), st.randoms(use_true_random=False))
@settings(max_examples=20, deadline=None)
def test_a_permuted_batch_has_the_permuted_result(
    query: tuple[TemporalGraph, torch.Tensor, torch.Tensor], random: object
) -> None:
    graph, index, time = query
    order = torch.tensor(random.sample(range(len(index)), len(index)), dtype=torch.int64)  # type: ignore[attr-defined]
    whole = flat(Sampler(graph).tree("member", index, time))
    assert same(flat(Sampler(graph).tree("member", index[order], time[order])), [part[order] for part in whole])
    alone = flat(Sampler(graph).tree("member", index[:1], time[:1]))
    assert same(alone, [part[:1] for part in whole])


big = cache(lambda: varied(fake_graph(seed=3)))


def test_the_first_places_are_the_smaller_draw() -> None:
    graph = big()
    for node, index in (("member", graph.seeds.member[:200]), ("item", graph.seeds.item[:200])):
        whole, less = (Sampler(graph, 1, most).tree(node, index, graph.seeds.time[:200]) for most in (None, 2))
        for name, branch in less.branches.items():
            assert branch.index.shape == (200, 2)
            assert same(held(branch), [part[:, :2] for part in held(whole.branches[name])])


def test_the_same_seed_and_draw_give_the_same_bits_and_others_do_not() -> None:
    graph = big()
    index, time = graph.seeds.member[:200], graph.seeds.time[:200]

    def of(seed: int, draw: int) -> Tree:
        return Sampler(graph, seed=seed).tree("member", index, time, draw)

    first = of(0, 0)
    assert same(flat(first), flat(of(0, 0)))
    lucky = {edge.name for edge in graph.schema.edges if edge.strategy != "most_recent"}
    lucky |= {rank.name for rank in graph.schema.pageranks if rank.method == "walk"}
    assert first.branches.keys() & lucky
    assert first.branches.keys() - lucky
    for other in (of(1, 0), of(0, 1), of(-1, 2**40)):
        for name, branch in first.branches.items():
            assert torch.equal(branch.index, other.branches[name].index) == (name not in lucky)


def test_hops_and_edge_types_draw_apart() -> None:
    """Two edge types with the same edges do not draw the same, nor does one edge type at two hops."""
    graph = one_member([1.0] * 12, "uniform", 3)
    twin = replace(graph.schema.edges[0], name="twin")
    schema = replace(graph.schema, edges=(*graph.schema.edges, twin))
    graph = replace(graph, schema=schema, edges={"clicked": graph.edges["clicked"], "twin": graph.edges["clicked"]})
    time = END + torch.arange(100)
    branches = Sampler(graph).tree("member", torch.zeros_like(time), time).branches
    assert not torch.equal(branches["clicked"].index, branches["twin"].index)


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20))
@settings(max_examples=50, deadline=None)
def test_the_hash_is_split_mix(values: list[int]) -> None:
    found = mixed(torch.tensor(values, dtype=torch.int64)).tolist()
    assert [value % 2**64 for value in found] == [split_mix(value) for value in values]
    steps = np.array(values, dtype=np.int64)
    keys = torch.from_numpy(hash_integers(steps))
    assert keys.tolist() == [split_mix(value + 0x9E3779B97F4A7C15) % 2**63 for value in values]


def test_windows_of_zero_and_edge_types_without_edges_are_empty() -> None:
    graph = small_world(0)
    nothing = torch.zeros(0, dtype=torch.int64)
    without = EdgeTensors(
        torch.zeros_like(graph.edges["clicked"].offsets),
        nothing.int(),
        nothing,
        nothing.float(),
        *without_attributes(nothing),
    )
    narrow = tuple(replace(edge, window=0) for edge in graph.schema.edges)
    for other in (
        replace(graph, schema=replace(graph.schema, edges=narrow)),
        replace(graph, edges={**graph.edges, "clicked": without}),
    ):
        check_tree(other, "member", torch.arange(6), torch.full((6,), END))
        check_tree(other, "member", nothing, nothing)
    zero = replace(graph, schema=replace(graph.schema, edges=narrow))
    for branch in Sampler(zero).tree("member", torch.arange(6), torch.full((6,), END)).branches.values():
        assert not branch.mask.any()
