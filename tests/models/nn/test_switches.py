"""Each ingredient is switched off by one key: what it fed no longer reaches the logits, and the rest still works."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from models.training.batches import Batches, decode, encode
from models.training.slices import one_each
from tests.models.nn.batches import CONFIG, ready

SWITCHES = {
    **dict.fromkeys(("graph", "sequence", "item_neighbours", "positions", "time_gaps", "prefix_causal"), False),
    **dict.fromkeys(("attention", "separate_encoders", "id_embeddings", "edge_attributes"), False),
    **dict.fromkeys(("matching", "overlap", "profiles", "counters"), False),
    **{"cross_layers": 0, "pieces": 4, "experts": 3, "long_term": 2, "task_weighting": "uncertainty"},
    "pagerank_attention": True,
}


def logits(change: dict[str, Any], **inputs: Any) -> Tensor:
    """Of a few test rows; ``inputs``: fields of the batch that are replaced."""
    graph, encoded, ranker = ready(replace(CONFIG, **change))
    batch = Batches(encoded, CONFIG.activities, hops=ranker.hops).make(one_each(graph.seeds.rows("test")[:8]))
    changed = replace(batch, **{name: make(getattr(batch, name)) for name, make in inputs.items()})
    return decode(ranker, changed, encode(ranker, encoded, changed))


@pytest.mark.parametrize("key", SWITCHES)
def test_a_ranker_without_it_scores_and_learns(key: str) -> None:
    graph, encoded, ranker = ready(replace(CONFIG, **{key: SWITCHES[key]}))
    batch = Batches(encoded, CONFIG.activities, hops=ranker.hops).make(one_each(graph.seeds.rows("test")))
    found = decode(ranker, batch, encode(ranker, encoded, batch))
    assert found.shape == (len(graph.seeds.rows("test")), 2)
    found.square().mean().backward()
    assert all(p.grad.isfinite().all() for p in ranker.parameters() if p.grad is not None)


@torch.inference_mode()
@pytest.mark.parametrize(
    ("change", "inputs"),
    [
        ({"counters": False}, {"numbers": lambda n: n + 1, "categories": lambda c: 2 - c}),
        ({"time_gaps": False}, {"age": lambda age: age * 100}),
        ({"sequence": False}, {"age": lambda age: age * 100, "activities": lambda a: replace(a, mask=~a.mask)}),
        ({"graph": False}, {"member": lambda t: replace(t, branches={}), "item": lambda t: replace(t, branches={})}),
    ],
)
def test_what_is_switched_off_is_not_seen(change: dict[str, Any], inputs: dict[str, Any]) -> None:
    torch.testing.assert_close(logits(change, **inputs), logits(change))
    if "graph" not in change:  # and with it on, the same change is seen
        assert not torch.allclose(logits({}, **inputs), logits({}), atol=1e-4)


@torch.inference_mode()
def test_with_the_graph_the_branches_are_seen() -> None:
    bare = {side: lambda tree: replace(tree, branches={}) for side in ("member", "item")}
    assert not torch.allclose(logits({}, **bare), logits({}), atol=1e-4)


def test_without_the_sequence_no_activity_is_read_and_nothing_of_it_is_learned() -> None:
    graph, encoded, ranker = ready(replace(CONFIG, sequence=False))
    assert ranker.sequence_length == 0
    batch = Batches(encoded, ranker.sequence_length).make(one_each(graph.seeds.rows("test")))
    assert encode(ranker, encoded, batch).activities.shape == (len(graph.seeds.rows("test")), 0, CONFIG.width)
    assert not any(name.startswith(("activities", "age", "sequence", "matching")) for name in ranker.state_dict())


def test_shared_encoders_have_one_set_of_weights() -> None:
    *_, apart = ready()
    *_, shared = ready(replace(CONFIG, separate_encoders=False))
    assert shared.item_side is shared.member_side
    assert apart.item_side is not apart.member_side
    assert not any(name.startswith("own_item_side") for name in shared.state_dict())


def test_without_positions_none_are_learned() -> None:
    *_, ranker = ready(replace(CONFIG, positions=False))
    assert ranker.sequence is not None
    assert not ranker.sequence.activity_position.requires_grad
