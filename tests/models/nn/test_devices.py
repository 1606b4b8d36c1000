"""Every tensor is created on the device of its inputs.

The inputs are on the CPU while the default device is "meta": a tensor created without a device has no values, and an
operation on it and the inputs, or a look at its values, raises an error.
"""

from dataclasses import replace
from typing import Any

import pytest
import torch

from models.nn import activity
from models.nn.context import pieces
from models.nn.encoded import encode_graph
from models.nn.gather import mean_of_rows
from models.training.batches import Batches, score
from models.training.slices import one_each
from tests.models.nn.batches import CONFIG, ready
from tests.models.nn.test_switches import SWITCHES


@pytest.mark.parametrize("change", [{}, *({key: value} for key, value in SWITCHES.items())], ids=str)
@pytest.mark.parametrize("fill", ["fill_rows", "fill_without_sync"])
def test_scores_and_gradients_are_on_the_device_of_the_graph(
    change: dict[str, Any], fill: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity, "fill_rows", getattr(activity, fill))
    graph, _, ranker = ready(replace(CONFIG, **change))
    with torch.device("meta"):
        encoded = encode_graph(ranker.encoding, graph.schema, graph)
        batch = Batches(encoded, ranker.sequence_length, hops=ranker.hops).make(one_each(graph.seeds.rows("test")[:6]))
        logits = score(ranker, encoded, batch, ranker.input_table(encoded))
        tokens = ranker.activity_tokens(encoded, batch.activities, batch.member_time)
        loss = logits.sum() + ranker.long_term_loss(tokens, batch.age, batch.activities.mask)
        loss.backward()
        cold = ranker.cold_member_tokens(), ranker.cold_item_tokens()
    assert {part.device.type for part in (logits, loss, *cold)} == {"cpu"}
    assert {p.grad.device.type for p in ranker.parameters() if p.grad is not None} == {"cpu"}


def test_dropout_is_drawn_on_the_device_of_its_input() -> None:
    graph, encoded, ranker = ready()
    ranker.train()
    with torch.device("meta"):
        batch = Batches(encoded, CONFIG.activities).make(one_each(graph.seeds.rows("test")[:6]))
        assert score(ranker, encoded, batch).device.type == "cpu"


def test_a_tensor_on_the_default_device_is_found() -> None:
    """The control: the test above fails where one is created."""
    with torch.device("meta"), pytest.raises((RuntimeError, NotImplementedError)):
        (torch.zeros(3) + torch.zeros(3, device="cpu")).tolist()


def test_functions_of_tensors_keep_the_device() -> None:
    with torch.device("meta"):
        numbers = torch.tensor([[0.5, 1.0]], device="cpu")
        index, mask = torch.tensor([[0, 0]], device="cpu"), torch.tensor([[True, False]], device="cpu")
        assert pieces(numbers, 2).device.type == mean_of_rows(numbers, index, mask).device.type == "cpu"
