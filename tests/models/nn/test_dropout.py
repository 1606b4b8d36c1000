"""Dropout by the paper's law: an element is zero with probability p, else divided by 1 - p."""

import pytest
import torch

from models.nn.dropout import Dropout


@pytest.mark.parametrize("p", [0.1, 0.5])
def test_an_element_is_dropped_with_its_probability_or_divided_by_the_rest(p: float) -> None:
    torch.manual_seed(0)
    values = torch.rand(200, 1000, requires_grad=True) + 1
    found = Dropout(p)(values)
    kept = found != 0
    torch.testing.assert_close(found[kept], values[kept] / (1 - p))
    # Five standard errors of a share of 200,000.
    assert abs(float(kept.float().mean()) - (1 - p)) < 5 * (p * (1 - p) / 200_000) ** 0.5
    assert float(kept.float().mean(dim=1).std()) == pytest.approx((p * (1 - p) / 1000) ** 0.5, rel=0.25)


def test_gradients_pass_where_values_do() -> None:
    torch.manual_seed(0)
    values = torch.ones(50, 4, requires_grad=True)
    found = Dropout(0.5)(values)
    found.sum().backward()
    assert values.grad is not None
    torch.testing.assert_close(values.grad, found.detach())


@pytest.mark.parametrize(("p", "training"), [(0.0, True), (0.5, False)])
def test_nothing_is_dropped_at_zero_or_outside_of_training(p: float, training: bool) -> None:
    values = torch.rand(10, 3)
    assert torch.equal(Dropout(p).train(training)(values), values)


def test_no_rows_and_half_precision_keep_their_shape_and_type() -> None:
    found = Dropout(0.5)(torch.ones(0, 3, dtype=torch.bfloat16))
    assert (found.shape, found.dtype) == ((0, 3), torch.bfloat16)


def test_the_same_seed_drops_the_same() -> None:
    values, found = torch.ones(30, 3), []
    for _ in range(2):
        torch.manual_seed(3)
        found.append(Dropout(0.5)(values))
    assert torch.equal(*found)


def test_on_a_cpu_an_element_takes_one_uniform_number() -> None:
    values = torch.rand(40, 3) + 1
    torch.manual_seed(3)
    kept = torch.rand(40, 3) >= 0.25
    torch.manual_seed(3)
    torch.testing.assert_close(Dropout(0.25)(values), torch.where(kept, values / 0.75, 0.0))


def test_at_zero_nothing_is_drawn_and_at_one_nothing_is_left() -> None:
    values = torch.rand(4, 3) + 1
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    assert torch.equal(Dropout(0.0)(values), values)
    assert torch.equal(torch.rand(2), expected)
    assert torch.equal(Dropout(1.0)(values), torch.zeros(4, 3))
