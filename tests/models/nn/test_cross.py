import torch

from models.nn.context import pieces
from models.nn.cross import CrossNetwork
from models.nn.experts import Experts
from tests.models.nn.batches import shapes


def test_a_layer_multiplies_the_first_input_with_a_map_of_the_last() -> None:
    torch.manual_seed(0)
    network, first = CrossNetwork(inputs=5, layers=2), torch.randn(3, 5)
    crossed = first
    for narrow, widen in zip(network.narrow, network.widen, strict=True):
        crossed = crossed + first * (crossed @ narrow.weight.T @ widen.weight.T + widen.bias)
    torch.testing.assert_close(network(first), crossed)


def test_no_layers_change_nothing_and_no_rows_give_none() -> None:
    first = torch.randn(3, 5)
    assert CrossNetwork(5, 0)(first) is first
    assert CrossNetwork(5, 1)(first[:0]).shape == (0, 5)
    assert CrossNetwork(0, 1)(first[:, :0]).shape == (3, 0)


def test_each_task_mixes_the_experts_by_its_own_gate() -> None:
    torch.manual_seed(0)
    mixed, inputs = Experts(inputs=4, width=6, experts=3, tasks=2, dropout=0.0), torch.randn(5, 4)
    found = mixed(inputs)
    assert found.shape == (5, 2, 6)
    each = torch.stack([expert(inputs) for expert in mixed.experts])  # (3, 5, 6)
    gate = mixed.gates(inputs)[:, 3:].softmax(dim=1)  # the second task's
    torch.testing.assert_close(found[:, 1], torch.einsum("be,ebw->bw", gate, each))
    assert not torch.allclose(found[:, 0], found[:, 1])


def test_pieces_fill_one_after_the_other() -> None:
    found = pieces(torch.tensor([[-9.0, -1.25, 0.0, 9.0]]), 2).view(4, 2)
    assert found.tolist() == [[0.0, 0.0], [0.5, 0.0], [1.0, 0.0], [1.0, 1.0]]
    assert pieces(torch.zeros(2, 3), 0).shape == (2, 0)


def test_the_rank_is_32_or_that_of_the_inputs() -> None:
    for inputs, rank in ((40, 32), (32, 32), (31, 31), (1, 1), (0, 1)):
        assert shapes(CrossNetwork(inputs, 1)) == {
            "narrow.0.weight": (rank, inputs),
            "widen.0.weight": (inputs, rank),
            "widen.0.bias": (inputs,),
        }
