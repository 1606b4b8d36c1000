"""PageRank in the ranker's attention: the logit it adds, where it starts, and that it sees only the past."""

from dataclasses import replace
from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from models.configs.model import ModelConfig
from models.graph.fakes import HOUR, START
from models.graph.ranks import TOP
from models.graph.sample import Sampler
from models.graph.store import TemporalGraph
from models.nn.aggregation import BranchAttention
from models.nn.encoded import encode_graph
from models.nn.encoding import Encoding
from models.nn.model import Ranker
from tests.models.nn.batches import CONFIG, World, ready

RANKED = replace(CONFIG, pagerank_attention=True)
ranked = cache(ready)


def tokens(world: World, graph: TemporalGraph, side: str, time: Tensor) -> Tensor:
    """Of all nodes of a side, in a graph of the world's schema."""
    encoded = encode_graph(world.ranker.encoding, graph.schema, graph)
    with torch.no_grad():
        tree = Sampler(graph).tree(side, torch.arange(len(time)), time)
        return getattr(world.ranker, f"{side}_tokens")(encoded, tree)


def test_the_logit_is_that_without_it_plus_the_weight_times_p_with_the_parents_own_place() -> None:
    torch.manual_seed(0)
    plain, attention = BranchAttention(4, 2, True), BranchAttention(4, 2, True, pagerank=True)
    attention.load_state_dict(plain.state_dict(), strict=False)
    assert attention.rank is not None
    parent, neighbor, edge = torch.randn(3, 4), torch.randn(3, 5, 4), torch.randn(3, 5, 4)
    mask, p = torch.rand(3, 5) < 0.7, torch.rand(3, 6)
    assert torch.equal(attention(parent, neighbor, mask, edge, p), plain(parent, neighbor, mask, edge))
    with torch.no_grad():
        attention.rank.copy_(torch.tensor([[0.5], [-2.0]]))  # each token has a weight of its own
        found = attention(parent, neighbor, mask, edge, p)
        query = (attention.query(parent) / 2).view(3, 2, 4)
    for row in range(3):
        for token in range(2):
            weight = attention.rank[token, 0] * TOP
            e = [query[row, token] @ neighbor[row, j] + attention.score.weight[token] @ edge[row, j] for j in range(5)]
            e = [one + weight * p[row, j] if mask[row, j] else one - torch.inf for j, one in enumerate(e)]
            share = torch.stack([*e, weight * p[row, 5]]).softmax(dim=0)[:5]
            mixed = torch.cat([share @ neighbor[row], share @ edge[row]])
            torch.testing.assert_close(found[row, token], attention.out.weight @ mixed)


def test_a_new_model_starts_as_the_one_without() -> None:
    graph = ranked().graph
    encoding = Encoding.fit(graph, graph.schema.window("train").end)

    def new(config: ModelConfig) -> Ranker:
        torch.manual_seed(3)
        return Ranker(config, graph.schema, encoding).eval()

    on, off = new(RANKED), new(CONFIG)
    added = on.state_dict().keys() - off.state_dict().keys()
    assert all(name.endswith(".rank") for name in added)
    assert {name.split(".")[2] for name in added} == {
        f"hop0_{edge.name}" for edge in graph.schema.edges if edge.source in ("member", "item")
    }
    time = torch.full((12,), graph.schema.seeds.windows[-1].end)
    encoded = encode_graph(encoding, graph.schema, graph)
    tree = Sampler(graph).tree("member", torch.arange(12), time)
    assert torch.equal(on.member_tokens(encoded, tree), off.member_tokens(encoded, tree))
    on.member_tokens(encoded, tree).square().sum().backward()
    assert all(
        p.grad.abs().sum() > 0
        for name, p in on.named_parameters()
        if name.endswith("clicked.rank") and name.startswith("member_side")
    )


@pytest.mark.parametrize("off", ["graph", "attention", "pagerank_attention"])
def test_it_needs_graph_and_attention(off: str) -> None:
    ranker = ready(replace(RANKED, **{off: False})).ranker
    assert not ranker.ranks_places
    assert not any(name.endswith(".rank") for name in ranker.state_dict())


@given(st.integers(0, 2**31), st.integers(0, 540))
@settings(max_examples=20, deadline=None)
def test_what_is_at_or_after_a_seed_changes_no_token(draw: int, hour: int) -> None:
    """Edges are at whole hours, so many are at the very time of the seeds."""
    world, time = ranked(RANKED), START + hour * HOUR
    generator, edges = torch.Generator().manual_seed(draw), {}
    for name, one in world.graph.edges.items():
        other = torch.randint(int(one.target.max()) + 1, one.target.shape, generator=generator, dtype=torch.int32)
        edges[name] = replace(one, target=torch.where(one.time >= time, other, one.target))
    later = replace(world.graph, edges=edges)
    for side, count in (("member", 12), ("item", 16)):
        now = torch.full((count,), time)
        assert torch.equal(tokens(world, later, side, now), tokens(world, world.graph, side, now))


def test_p_reaches_the_tokens() -> None:
    world = ranked(RANKED)
    ends = torch.full((12,), world.graph.schema.seeds.windows[-1].end)
    blind = ready(RANKED)
    with torch.no_grad():
        for name, weights in blind.ranker.named_parameters():
            if name.endswith(".rank"):
                weights.zero_()
    one, other = tokens(world, world.graph, "member", ends), tokens(blind, world.graph, "member", ends)
    assert not torch.allclose(one, other, atol=1e-4)


@pytest.mark.parametrize("side", ["member", "item"])
def test_tokens_of_a_cold_node_are_those_of_an_empty_tree(side: str) -> None:
    graph, encoded, ranker = ranked(RANKED)
    tree = Sampler(graph).tree(side, torch.tensor([-1, -1]), graph.seeds.time[:2])
    found = getattr(ranker, f"{side}_tokens")(encoded, tree)
    torch.testing.assert_close(found[0], getattr(ranker, f"cold_{side}_tokens")())
