"""Weights in whole steps, at the limits of what can be counted."""

import pytest
import torch

from models.graph.errors import GraphInputError
from models.graph.schema import EdgeType
from models.graph.tensors import EdgeTensors, without_attributes


def weighing(*weights: float) -> EdgeTensors:
    """One source with edges of these weights."""
    time = torch.arange(len(weights))
    offsets = torch.tensor([0, len(weights)])
    return EdgeTensors(offsets, time.int(), time, torch.tensor(weights), *without_attributes(time))


@pytest.mark.parametrize(
    ("weights", "steps"),
    [
        ([2.0**-10], [2**10]),
        ([2.0**-11], [2**19]),  # light: a step is 2^-20 of the power of two above
        ([2.0**-11, 2.0**-10], [2**9, 2**10]),
        ([0.75 * 2.0**-40, 2.0**-70], [3 * 2**18, 1]),
        ([2.0**41], [2**61]),
        ([0.0], [0]),
    ],
)
def test_a_step_is_a_power_of_two(weights: list[float], steps: list[int]) -> None:
    assert weighing(*weights).cumulative_weight.diff().tolist() == steps


def test_no_edges_have_no_weight() -> None:
    assert weighing().cumulative_weight.tolist() == [0]
    assert weighing().cumulative_zeros is None
    assert weighing(1.0).cumulative_zeros is None


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([2.0**42], r"less than 2\^42 over an edge type; found a sum of 4\.39805e\+12\. Scale them down"),
        ([1.0, -0.5], r"weights: expected 0 or more; found -0\.5\. Leave such edges out"),
    ],
)
def test_weights_beyond_the_limits_are_refused(weights: list[float], message: str) -> None:
    with pytest.raises(GraphInputError, match=message):
        _ = weighing(*weights).cumulative_weight


def test_edges_without_attributes_have_no_columns() -> None:
    numbers, categories = without_attributes(torch.arange(3))
    assert (numbers.shape, numbers.dtype) == ((3, 0), torch.float32)
    assert (categories.shape, categories.dtype) == ((3, 0), torch.int32)
    edge = EdgeType("likes", "member", "item", "engagement", "feed", (1,))
    assert (edge.window, edge.strategy, edge.attributes) == (None, "most_recent", ())
