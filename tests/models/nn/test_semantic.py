"""Prefix embeddings against the formula, padding that stays zero, and levels beside them."""

import pytest
import torch

from models.nn.semantic import HierarchicalEmbedding, SemanticEmbedding, SemanticSources


def filled(levels: int = 3, codes: int = 4, rows: int = 11, width: int = 5) -> HierarchicalEmbedding:
    """Tables with random rows but for that of missing codes."""
    torch.manual_seed(0)
    embedding = HierarchicalEmbedding(levels, codes, rows, width)
    with torch.no_grad():
        for table in embedding.tables:
            table.weight[1:] = torch.randn(len(table.weight) - 1, width)
    return embedding


def test_the_rows_are_those_of_the_formula() -> None:
    embedding, codes = filled(), torch.cartesian_prod(*[torch.arange(1, 5)] * 3)
    for found, given in zip(embedding.index(codes).tolist(), codes.tolist(), strict=True):
        expected = [given[0]]
        for k in (2, 3):
            expected.append(1 + sum((given[j - 1] - 1) * 4 ** (k - j) for j in range(1, k + 1)) % 10)
        assert found == expected
    total = sum(table.weight[embedding.index(codes)[:, k]] for k, table in enumerate(embedding.tables))
    torch.testing.assert_close(embedding(codes), total)


def test_long_prefixes_do_not_overflow() -> None:
    embedding = HierarchicalEmbedding(8, 65_536, 1_000_003, 2)
    given = [65_536 - 1 - k for k in range(8)]
    whole = sum((c - 1) * 65_536 ** (7 - j) for j, c in enumerate(given))
    assert embedding.index(torch.tensor([given]))[0, 7].item() == 1 + whole % 1_000_002


def test_missing_and_invalid_codes_are_zero_and_stay_zero_in_training() -> None:
    embedding = filled()
    codes = torch.tensor([[0, 0, 0], [1, 0, 2], [9, 1, 1], [-3, 1, 1], [1, 2, 3]])
    assert embedding.index(codes)[:, 0].tolist() == [0, 1, 0, 0, 1]
    assert not embedding.index(codes)[:4, 1:].any()
    optimizer = torch.optim.AdamW(embedding.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        (embedding(codes) - 1).square().sum().backward()
        optimizer.step()
    assert not embedding(codes)[[0, 2, 3]].any()
    assert all(not table.weight[0].any() for table in embedding.tables)


def test_a_prefix_that_was_never_seen_adds_nothing() -> None:
    embedding = HierarchicalEmbedding(2, 4, 100, 3)
    embedding(torch.tensor([[1, 2]])).sum().backward()
    with torch.no_grad():
        for table in embedding.tables:
            table.weight -= table.weight.grad
    assert torch.equal(embedding(torch.tensor([[1, 3]])), embedding.tables[0].weight[1:2])


def test_levels_are_added_by_a_linear_layer() -> None:
    torch.manual_seed(0)
    embedding = SemanticEmbedding(levels=1, codes=4, rows=5, scalars=2, scalar_levels=4, width=3)
    assert embedding.scalar is not None
    residual, scalar = torch.tensor([[1], [0]]), torch.tensor([[1, 4], [0, 0]])
    expected = embedding.scalar(torch.tensor([[-0.75, 0.75], [0.0, 0.0]]))
    torch.testing.assert_close(embedding(residual, scalar), expected)
    assert not embedding(residual, scalar)[1].any()
    assert not embedding(residual, torch.tensor([[9, -1], [0, 0]]))[0].any()
    assert embedding(residual[:0], scalar[:0]).shape == (0, 3)


def test_every_source_has_its_own_tables() -> None:
    made = {name: SemanticEmbedding(1, 4, 5, 2, 4, 3) for name in ("feed", "titles")}
    codes = torch.tensor([[1]]), torch.tensor([[1, 2]])
    found = SemanticSources(made)({"feed": codes, "titles": codes})
    torch.testing.assert_close(found, torch.cat([made["feed"](*codes), made["titles"](*codes)], dim=1))


def test_sizes_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="expected 1, 1 and 2 or more; found 1, 4, 1"):
        HierarchicalEmbedding(1, 4, 1, 3)
