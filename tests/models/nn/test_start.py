"""Deviations, sizes and identities that weights start with."""

import pytest
import torch
from torch import nn

from models.nn.aggregation import BranchAttention, BranchMean, branch_message
from models.nn.encoders import IdEmbedding, NodeEncoder
from models.nn.sequence import SequenceDecoder
from models.nn.start import CommonSpace
from tests.models.nn.batches import CONFIG, World, shapes

CONFIG_WIDE = CONFIG.__class__(width=1000, heads=2, graph_tokens=3, activities=5, layers=1)


def deviation(values: torch.Tensor) -> float:
    return float(values.detach().square().mean().sqrt())


def test_a_message_starts_as_half_of_the_neighbor() -> None:
    torch.manual_seed(0)
    for module in (BranchAttention(8), BranchMean(8, 4)):
        rest = module.out.weight - 0.5 * torch.eye(8, 12)
        assert 0 < rest.abs().max() <= 0.1 / 12**0.5


def test_attention_without_a_parent_has_one_query_and_no_biases() -> None:
    assert shapes(BranchAttention(8)) == {
        "nothing": (1, 1),
        "query.weight": (1, 8),
        "score.weight": (1, 4),
        "out.weight": (8, 12),
    }
    assert shapes(BranchMean(8, 4)) == {"out.weight": (8, 12)}
    assert shapes(branch_message(CONFIG, 4)) == shapes(BranchAttention(8))


def test_the_root_alone_asks_with_a_query_for_each_of_its_tokens(world: World) -> None:
    found = shapes(world.ranker.member_side)
    assert found["attention.hop0_clicked.query.weight"] == (2 * 8, 8)
    assert found["attention.hop1_rev_clicked.query.weight"] == (1, 8)
    assert found["attention.hop1_rev_clicked.nothing"] == (1, 1)
    assert "attention.hop1_rev_clicked.query.bias" not in found
    assert found["edges.clicked.attributes.map.weight"] == (8, 2 + 8)
    assert found["attention.hop0_clicked.score.weight"] == (2, 4 + 8)


def test_the_cold_and_the_unknown_node_start_small(world: World) -> None:
    torch.manual_seed(0)
    encoder = NodeEncoder(CONFIG_WIDE, world.graph.schema.node("member"), world.ranker.encoding.nodes["member"])
    for _ in range(2):
        assert deviation(encoder.identity.cold) == pytest.approx(0.1, rel=0.15)
        assert deviation(encoder.unknown) == pytest.approx(0.02, rel=0.15)
        assert not encoder.identity.table.weight.any()
        encoder.reset_parameters()


def test_tables_have_a_row_per_bucket_or_word_and_one_for_the_unknown(world: World) -> None:
    found = shapes(world.ranker.inputs)
    assert found["member.identity.table.weight"] == (64 + 1, 8)
    assert found["member.categories.tables.0.weight"] == (3 + 1, 16)
    assert shapes(IdEmbedding(0, 4, 0.1)) == {"cold": (4,), "table.weight": (1, 4)}


def test_positions_start_small_or_at_zero() -> None:
    torch.manual_seed(0)
    decoder = SequenceDecoder(CONFIG_WIDE)
    off = SequenceDecoder(CONFIG.__class__(width=8, heads=2, activities=5, positions=False))
    for _ in range(2):
        for name, places in (("activity_position", 5), ("member_position", 3), ("candidate_position", 3)):
            positions = getattr(decoder, name)
            assert positions.shape == (places, 1000)
            assert deviation(positions) == pytest.approx(0.02, rel=0.15)
            assert not getattr(off, name).any()
        decoder.reset_parameters()
        off.reset_parameters()


@pytest.mark.parametrize(("inputs", "outputs"), [(3, 5), (4, 4), (9, 4)])
def test_a_common_space_takes_as_many_random_numbers_as_any_layer(inputs: int, outputs: int) -> None:
    after = []
    for kind in (CommonSpace, nn.Linear):
        torch.manual_seed(0)
        layer = kind(inputs, outputs)
        after.append(torch.rand(()))
        if kind is CommonSpace and inputs <= outputs:
            assert torch.equal(layer.weight, torch.eye(outputs, inputs))
    assert after[0] == after[1]
