import warnings

import pytest
import torch
from torch import Tensor

from models.nn.history import attention
from models.nn.history.attention import attend, block_mask, masks, visible
from models.nn.history.visibility import Ordered
from tests.models.nn.history.histories import random_history


def ordered(length: int) -> Ordered:
    _, time, mask = random_history(length, 3, length, moments=max(length, 4))
    return Ordered.of(time, mask)


def parts(length: int) -> list[Tensor]:
    draw = torch.Generator().manual_seed(0)
    return [torch.randn(3, 2, length, 4, generator=draw) for _ in range(3)]


@pytest.mark.parametrize("length", [1, 4, 5, 11])
def test_steps_equal_one_call_and_so_do_their_gradients(length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    place = ordered(length).place
    found = []
    for step in (4, length):
        monkeypatch.setattr(attention, "_STEP", step)
        given = [part.requires_grad_() for part in parts(length)]
        seen = masks(place)
        assert len(seen) == -(-length // step)
        mixed = attend(*given, seen)
        mixed.square().sum().backward()
        found.append([mixed, *(part.grad for part in given)])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("length", [1, 5, 130])
def test_flex_attention_with_its_block_mask_equals_sdpa(length: int) -> None:
    """Forward only, uncompiled: ``python -m benchmarks.slate_pass --device cuda:0`` compares both passes of kernels."""
    timeline = ordered(length)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is slow uncompiled
        flex = attend(*parts(length), block_mask(timeline.place))
    real = timeline.mask[:, None, :, None]
    torch.testing.assert_close(flex * real, attend(*parts(length), masks(timeline.place)) * real)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU; benchmarks.slate_pass compares there too")
def test_kernels_of_a_gpu_equal_sdpa() -> None:
    place = ordered(200).place.cuda()
    found = []
    for seen in (block_mask(place), masks(place)):
        given = [torch.randn(3, 2, 200, 16, device="cuda", generator=_seeded()).requires_grad_() for _ in range(3)]
        mixed = attend(given[0], given[1], given[2], seen)
        (mixed * (place < 200)[:, None, :, None]).square().sum().backward()
        found.append([part.grad for part in given])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def _seeded() -> torch.Generator:
    return torch.Generator("cuda").manual_seed(0)


def test_a_cpu_uses_sdpa() -> None:
    assert isinstance(visible(ordered(5).place, 16), list)


def test_no_tokens() -> None:
    assert attend(*parts(0), masks(ordered(0).place)).shape == (3, 2, 0, 4)
