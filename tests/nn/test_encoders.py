import torch

from models.nn.encoders import IdEmbedding
from models.nn.model import Ranker
from tests.nn.batches import CONFIG, World


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
