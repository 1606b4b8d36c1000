from dataclasses import replace

import pytest
import torch

from models.nn.long_term import LongTerm
from tests.models.nn.batches import CONFIG, ready

N, W = CONFIG.activities, CONFIG.width
PREDICTS = replace(CONFIG, long_term=2)


def loss(mask: torch.Tensor, activities: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
    torch.manual_seed(0)
    return LongTerm(PREDICTS)(output, activities, mask)


def test_the_loss_is_low_for_the_right_activities() -> None:
    torch.manual_seed(0)
    module, activities = LongTerm(PREDICTS), torch.randn(6, N, W)
    with torch.no_grad():
        module.foretell.weight.copy_(torch.eye(W).repeat(2, 1))
        module.foretell.bias.zero_()
    mask = torch.ones(6, N, dtype=torch.bool)
    activities[:, -1] = activities[:, -2]
    blind = module(torch.randn(6, W), activities, mask)
    assert module(activities[:, -1], activities, mask) / 6 < 0.1 < blind / 6


def test_padding_is_neither_predicted_nor_a_negative() -> None:
    output, activities = torch.randn(4, W), torch.randn(4, N, W)
    mask = torch.ones(4, N, dtype=torch.bool)
    mask[3] = False
    noisy = activities.clone()
    noisy[3] = 100.0
    torch.testing.assert_close(loss(mask, noisy, output), loss(mask, activities, output))
    torch.testing.assert_close(loss(mask[:3], activities[:3], output[:3]), loss(mask, activities, output))
    assert loss(torch.zeros_like(mask), activities, output) == 0


@pytest.mark.parametrize("layers", [1, 2])
def test_predicted_activities_are_not_seen(layers: int) -> None:
    """Without a causal mask, too: the output does not depend on the last activities."""
    *_, ranker = ready(replace(PREDICTS, layers=layers, prefix_causal=False))
    assert ranker.sequence is not None
    seen: list[torch.Tensor] = []
    ranker.sequence.norm.register_forward_hook(lambda _, __, output: seen.append(output))
    mask, age = torch.ones(3, N, dtype=torch.bool), torch.rand(3, N)
    activities = torch.randn(3, N, W)
    for changed in (0, N - 1, N - 2, N - 3):
        given = activities.clone()
        given[:, changed] = torch.randn(3, W)
        ranker.long_term_loss(given, age, mask)
    ranker.long_term_loss(activities, age, mask)
    *before, plain = seen
    for output, same in zip(before, (False, True, True, False), strict=True):
        assert torch.allclose(output, plain) == same


@torch.inference_mode()
def test_negatives_come_from_256_rows_at_a_time() -> None:
    torch.manual_seed(0)
    module, output, activities = LongTerm(PREDICTS), torch.randn(257, W), torch.randn(257, N, W)
    mask = torch.ones(257, N, dtype=torch.bool)

    def part(start: int, end: int) -> torch.Tensor:
        return module(output[start:end], activities[start:end], mask[start:end])

    torch.testing.assert_close(part(0, 257), part(0, 256) + part(256, 257))
    assert part(0, 256) > part(0, 128) + part(128, 256)
