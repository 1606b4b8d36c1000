from typing import cast

import torch
from torch import nn

from models.graph.tree import Tree
from models.nn.sage import TreeSage, mean_of_states
from tests.models.nn.batches import World, shapes

SIZES = {"member": 5, "item": 7, "creator": 3}


def test_two_layers_with_a_map_per_edge_type_and_a_bias_per_node_type(world: World) -> None:
    found = shapes(TreeSage(world.graph.schema, SIZES, 6))
    assert len(found) == 2 * (2 * 3 + 8)
    assert found["own.0.item.weight"] == (6, 7)
    assert found["own.1.item.weight"] == (6, 6)
    assert found["neighbour.0.clicked.weight"] == (6, 7)
    assert found["neighbour.1.clicked.weight"] == (6, 6)
    assert not any(name.startswith("neighbour") and name.endswith("bias") for name in found)


def test_without_neighbors_a_state_is_its_own_map_and_an_unknown_node_has_the_first_row(world: World) -> None:
    torch.manual_seed(0)
    sage = TreeSage(world.graph.schema, SIZES, 6)
    table = torch.randn(4, 5)
    found = sage(Tree("member", torch.tensor([-1, 0, 2]), torch.zeros(3, dtype=torch.int64), {}), {"member": table})
    first, second = (cast(nn.ModuleDict, layer)["member"] for layer in sage.own)
    expected = second(first(table[[0, 0, 2]]).clamp(min=0))
    torch.testing.assert_close(found, expected)
    assert (found < 0).any()  # no ReLU at the seeds


def test_the_mean_of_states_keeps_their_type() -> None:
    states = torch.tensor([[[2.0], [4.0]], [[6.0], [8.0]], [[1.0], [1.0]]], dtype=torch.bfloat16)
    mask = torch.tensor([[True, True], [False, True], [False, False]])
    found = mean_of_states(states, mask)
    assert (found.tolist(), found.dtype) == ([[3.0], [8.0], [0.0]], torch.bfloat16)
