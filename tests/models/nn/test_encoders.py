from typing import Any

import pytest
import torch

from models.nn.encoded import EncodedNodes
from models.nn.encoders import CategoryEmbedding, IdEmbedding
from models.nn.model import Ranker
from tests.models.nn.batches import CONFIG, World, shapes


def test_an_id_that_training_never_saw_is_cold() -> None:
    embedding = IdEmbedding(buckets=8, width=4, dropout=0.0)
    optimizer = torch.optim.AdamW(embedding.parameters(), lr=0.1, weight_decay=0.1)
    for _ in range(5):
        optimizer.zero_grad()
        (embedding(torch.tensor([3, 3, 5])) - 1).square().sum().backward()
        optimizer.step()
    known, unseen, unknown = embedding(torch.tensor([3, 4, -1]))
    assert torch.equal(unseen, embedding.cold)
    assert torch.equal(unknown, embedding.cold)
    assert not torch.equal(known, embedding.cold)


def test_dropout_hides_ids_in_training_only() -> None:
    embedding = IdEmbedding(buckets=8, width=4, dropout=0.5)
    torch.nn.init.ones_(embedding.table.weight[1:])
    hashes = torch.arange(1000)
    hidden = (embedding.train()(hashes) == embedding.cold).all(dim=1)
    assert 0.4 < hidden.float().mean() < 0.6
    assert not (embedding.eval()(hashes) == embedding.cold).any()


def test_a_type_without_ids_has_the_cold_one_for_all() -> None:
    embedding = IdEmbedding(buckets=0, width=4, dropout=0.0)
    assert (embedding(torch.tensor([-1, 7, 9])) == embedding.cold).all()


def test_rows_chosen_equal_rows_of_the_whole_table(world: World) -> None:
    for name, encoder in world.ranker.inputs.items():
        nodes = world.encoded.nodes[name]
        rows = torch.arange(0, len(nodes), 3)
        torch.testing.assert_close(encoder(nodes, rows), encoder(nodes)[rows])
        assert encoder(nodes, rows[:0]).shape == (0, CONFIG.width)


def test_vectors_of_one_size_start_in_one_space(world: World) -> None:
    fresh = Ranker(CONFIG, world.graph.schema, world.ranker.encoding)
    member, item = fresh.inputs["member"].vectors[0], fresh.inputs["item"].vectors[0]
    assert torch.equal(member.weight, item.weight)
    torch.testing.assert_close(member.weight.T @ member.weight, torch.eye(4))


def test_hashes_share_the_buckets_in_turn_and_the_unknown_node_has_none() -> None:
    embedding = IdEmbedding(buckets=8, width=4, dropout=0.0)
    embedding(torch.tensor([-1, 0, 7, 10])).sum().backward()
    assert embedding.table.weight.grad is not None
    assert embedding.table.weight.grad.any(dim=1).nonzero().flatten().tolist() == [1, 3, 8]
    one = IdEmbedding(buckets=1, width=4, dropout=0.0)
    one(torch.tensor([0, 5])).sum().backward()
    assert one.table.weight.grad is not None
    assert one.table.weight.grad.tolist() == [[0.0] * 4, [2.0] * 4]


def test_the_share_of_hidden_ids_is_that_of_the_dropout() -> None:
    torch.manual_seed(0)
    embedding = IdEmbedding(buckets=8, width=4, dropout=0.1).train()
    torch.nn.init.ones_(embedding.table.weight[1:])
    hidden = (embedding(torch.arange(4000)) == embedding.cold).all(dim=1)
    assert float(hidden.float().mean()) == pytest.approx(0.1, abs=0.03)


def test_a_key_whose_hash_is_zero_is_known(world: World) -> None:
    encoder: Any = world.ranker.inputs["member"]
    nodes = world.encoded.nodes["member"]
    one = EncodedNodes(nodes.numbers[:1], nodes.categories[:1], torch.zeros(1, dtype=torch.int64), first=0)
    plain = nodes.numbers.shape[1] - 4
    values = torch.cat([one.numbers[:, :plain], encoder.categories(one.categories)], dim=1)
    expected = encoder.identity.cold + encoder.identity.table.weight[1:2] + encoder.features(values)
    expected = encoder.norm(expected + encoder.vectors[0](one.numbers[:, plain:]))
    torch.testing.assert_close(encoder(one), expected)


def test_without_categories_there_are_no_columns() -> None:
    embedding = CategoryEmbedding(())
    assert embedding.width == 0
    for shape in ((0,), (3, 0), (2, 3, 0)):
        assert embedding(torch.zeros(shape, dtype=torch.int64)).shape == shape
    two = CategoryEmbedding((("a", "b"), ("c",)))
    assert two.width == 32
    assert shapes(two) == {"tables.0.weight": (3, 16), "tables.1.weight": (2, 16)}
