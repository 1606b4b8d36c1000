import pytest
import torch

from models.graph.sample import Sampler
from models.graph.tree import Branch
from models.nn.aggregation import BranchAttention, walk
from models.nn.edges import edge_features
from tests.nn.batches import ready


@pytest.mark.parametrize("asked", [True, False])
def test_masked_places_say_nothing(asked: bool) -> None:
    attention = BranchAttention(width=8, tokens=2 if asked else 1, asked=asked)
    parent, neighbour = torch.randn(6, 8), torch.randn(6, 4, 8)
    mask = torch.tensor([[True, True, False, False]]).expand(6, -1)
    delta, weight = torch.rand(6, 4) * 1e5 * mask, torch.rand(6, 4) * mask
    nothing = torch.zeros(6, 4, dtype=torch.int64)
    branch = Branch(nothing, mask, delta, weight, nothing, nothing)
    edge = edge_features(branch)
    assert (edge[:, 2:] == 0).all()
    full = attention(parent, neighbour, mask, edge)
    cut = attention(parent, neighbour[:, :2], mask[:, :2], edge[:, :2])
    torch.testing.assert_close(full, cut)
    nobody = attention(parent, neighbour, torch.zeros_like(mask), edge)
    assert (nobody == 0).all()


def test_a_place_that_holds_nothing_tells_one_neighbour_from_many() -> None:
    attention = BranchAttention(width=4)
    same = torch.ones(1, 3, 4)
    edge = torch.zeros(1, 3, 4)
    one = attention(torch.zeros(1, 4), same, torch.tensor([[True, False, False]]), edge)
    three = attention(torch.zeros(1, 4), same, torch.tensor([[True, True, True]]), edge)
    assert three.norm() > one.norm() > 0


def test_walk_meets_each_branch_before_those_below_it() -> None:
    graph, _, _ = ready()
    tree = Sampler(graph).tree("member", torch.tensor([0]), torch.tensor([graph.seeds.time.max()]))
    met = [id(branch) for _, branch in walk(tree.branches)]
    assert len(met) == len(set(met)) == len(tree.branches) + sum(len(b.branches) for b in tree.branches.values())
    for branch in tree.branches.values():
        assert all(met.index(id(branch)) < met.index(id(below)) for below in branch.branches.values())


@pytest.mark.parametrize("side", ["member", "item"])
def test_tokens_of_a_cold_node_are_those_of_an_empty_tree(side: str) -> None:
    graph, encoded, ranker = ready()
    tree = Sampler(graph).tree(side, torch.tensor([-1, -1]), graph.seeds.time[:2])
    tokens = getattr(ranker, f"{side}_tokens")(encoded, tree)
    assert torch.isfinite(tokens).all()
    torch.testing.assert_close(tokens[0], tokens[1])
    torch.testing.assert_close(tokens[0], getattr(ranker, f"cold_{side}_tokens")())
