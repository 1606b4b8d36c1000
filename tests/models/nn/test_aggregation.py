import pytest
import torch

from models.graph.sample import Sampler
from models.graph.tree import Branch
from models.nn.aggregation import BranchAttention, BranchMean, walk
from models.nn.edges import EDGE_FEATURES, edge_features
from tests.models.nn.batches import World


@pytest.mark.parametrize("parent_query", [True, False])
def test_masked_places_have_no_effect(parent_query: bool) -> None:
    attention = BranchAttention(width=8, tokens=2 if parent_query else 1, parent_query=parent_query)
    parent, neighbor = torch.randn(6, 8), torch.randn(6, 4, 8)
    mask = torch.tensor([[True, True, False, False]]).expand(6, -1)
    ago, weight = torch.randint(10**11, (6, 4)) * mask, torch.rand(6, 4) * mask
    zeros = torch.zeros(6, 4, dtype=torch.int64)
    edge = edge_features(Branch(zeros, mask, -ago, weight, zeros, zeros))
    assert (edge[:, 2:] == 0).all()
    full = attention(parent, neighbor, mask, edge)
    cut = attention(parent, neighbor[:, :2], mask[:, :2], edge[:, :2])
    torch.testing.assert_close(full, cut)
    alone = attention(parent, neighbor, torch.zeros_like(mask), edge)
    assert (alone == 0).all()


def test_the_empty_place_tells_one_neighbor_from_many() -> None:
    attention = BranchAttention(width=4)
    same = torch.ones(1, 3, 4)
    edge = torch.zeros(1, 3, 4)
    one = attention(torch.zeros(1, 4), same, torch.tensor([[True, False, False]]), edge)
    three = attention(torch.zeros(1, 4), same, torch.tensor([[True, True, True]]), edge)
    assert three.norm() > one.norm() > 0


def test_the_mean_is_taken_over_unmasked_neighbors() -> None:
    mean = BranchMean(width=4, edge=EDGE_FEATURES)
    neighbor, edge = torch.randn(3, 3, 4), torch.randn(3, 3, EDGE_FEATURES)
    mask = torch.tensor([[True, False, True], [False, False, True], [False, False, False]])
    values = torch.cat([neighbor, edge], dim=2)
    found = mean(torch.randn(3, 4), neighbor, mask, edge)
    torch.testing.assert_close(found[0, 0], values[0, [0, 2]].mean(dim=0) @ mean.out.weight.T)
    torch.testing.assert_close(found[1, 0], values[1, 2] @ mean.out.weight.T)
    assert not found[2].any()


def test_walk_yields_each_branch_before_those_below_it(world: World) -> None:
    graph = world.graph
    tree = Sampler(graph).tree("member", torch.tensor([0]), torch.tensor([graph.seeds.time.max()]))
    order = [id(branch) for _, branch in walk(tree.branches)]
    assert len(order) == len(set(order)) == len(tree.branches) + sum(len(b.branches) for b in tree.branches.values())
    for branch in tree.branches.values():
        assert all(order.index(id(branch)) < order.index(id(below)) for below in branch.branches.values())


@pytest.mark.parametrize("side", ["member", "item"])
def test_tokens_of_a_cold_node_are_those_of_an_empty_tree(world: World, side: str) -> None:
    graph, encoded, ranker = world
    tree = Sampler(graph).tree(side, torch.tensor([-1, -1]), graph.seeds.time[:2])
    tokens = getattr(ranker, f"{side}_tokens")(encoded, tree)
    assert torch.isfinite(tokens).all()
    torch.testing.assert_close(tokens[0], tokens[1])
    torch.testing.assert_close(tokens[0], getattr(ranker, f"cold_{side}_tokens")())
