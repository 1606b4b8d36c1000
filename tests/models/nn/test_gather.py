"""The mean of gathered rows, on every device at hand, against plain arithmetic."""

import sys
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from models.nn import gather
from models.nn.gather import mean_of_rows

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("parents", "fan_out", "width"), [(5, 3, 4), (33, 20, 7), (1, 1, 128), (0, 4, 8)])
def test_it_is_the_mean_of_the_unmasked_rows(device: str, parents: int, fan_out: int, width: int) -> None:
    torch.manual_seed(0)
    table = torch.randn(9, width, device=device)
    index = torch.randint(9, (parents, fan_out), device=device)
    mask = torch.rand(parents, fan_out, device=device) < 0.5
    found = mean_of_rows(table, index, mask)
    assert found.shape == (parents, width)
    for parent in range(parents):
        rows = table[index[parent][mask[parent]]]
        expected = rows.mean(dim=0) if len(rows) else torch.zeros(width, device=device)
        torch.testing.assert_close(found[parent], expected)


@pytest.mark.parametrize("device", DEVICES)
def test_a_table_that_is_trained_gets_its_gradient(device: str) -> None:
    table = torch.ones(3, 2, device=device, requires_grad=True)
    index, mask = torch.tensor([[0, 2]], device=device), torch.tensor([[True, True]], device=device)
    mean_of_rows(table, index, mask).sum().backward()
    assert table.grad is not None
    assert table.grad.tolist() == [[0.5, 0.5], [0.0, 0.0], [0.5, 0.5]]


@pytest.mark.parametrize("device", DEVICES)
def test_half_precision_is_summed_in_full(device: str) -> None:
    """1 + 200 small numbers that bfloat16 alone would swallow one by one."""
    table = torch.full((201, 1), 2**-8, dtype=torch.bfloat16, device=device)
    table[0] = 1.0
    index = torch.arange(201, device=device).unsqueeze(0)
    found = mean_of_rows(table, index, torch.ones_like(index, dtype=torch.bool))
    assert found.item() == pytest.approx((1 + 200 / 256) / 201, rel=2**-8)


@pytest.mark.parametrize(
    ("installed", "on_gpu", "trained", "gradients", "places", "expected"),
    [
        (True, True, False, True, 4, "kernel"),
        (True, True, True, False, 4, "kernel"),  # no gradient is required
        (True, True, True, True, 4, "torch"),
        (True, True, False, True, 0, "torch"),
        (True, False, False, True, 4, "torch"),
        (False, True, False, True, 4, "torch"),
    ],
)
def test_the_kernel_serves_tables_on_a_gpu_that_need_no_gradient(
    monkeypatch: pytest.MonkeyPatch,
    installed: bool,
    on_gpu: bool,
    trained: bool,
    gradients: bool,
    places: int,
    expected: str,
) -> None:
    kernel: Any = SimpleNamespace(mean_by_kernel=lambda *_: "kernel")
    monkeypatch.setitem(sys.modules, "models.nn.gather_kernel", kernel)
    monkeypatch.setattr(gather, "mean_by_torch", lambda *_: "torch")
    monkeypatch.setattr(gather, "_TRITON", installed)
    table: Any = SimpleNamespace(is_cuda=on_gpu, requires_grad=trained)
    with torch.set_grad_enabled(gradients):
        assert mean_of_rows(table, torch.zeros(2, places // 2), torch.ones(2, places // 2)) == expected


def test_the_kernel_needs_triton() -> None:
    assert bool(find_spec("triton")) == gather._TRITON
