from dataclasses import replace

import torch

from models.nn.long_term import LongTerm
from tests.nn.batches import CONFIG, ready

N, W = CONFIG.activities, CONFIG.width
FORETELLS = replace(CONFIG, long_term=2)


def loss(mask: torch.Tensor, activities: torch.Tensor, outputs: torch.Tensor) -> torch.Tensor:
    torch.manual_seed(0)
    return LongTerm(FORETELLS)(outputs, activities, mask)


def test_only_the_output_before_the_foretold_activities_counts() -> None:
    outputs, activities, mask = torch.randn(4, N, W), torch.randn(4, N, W), torch.ones(4, N, dtype=torch.bool)
    other = outputs.clone()
    other[:, -2:] = torch.randn(4, 2, W)  # what has seen them
    other[:, : -FORETELLS.long_term - 1] = 0.0
    torch.testing.assert_close(loss(mask, activities, other), loss(mask, activities, outputs))
    other[:, -FORETELLS.long_term - 1] += 1.0
    assert not torch.allclose(loss(mask, activities, other), loss(mask, activities, outputs))


def test_it_is_low_where_the_next_activities_are_foretold() -> None:
    torch.manual_seed(0)
    module, activities = LongTerm(FORETELLS), torch.randn(6, N, W)
    with torch.no_grad():
        module.foretell.weight.copy_(torch.eye(W).repeat(2, 1))
        module.foretell.bias.zero_()
    outputs, mask = torch.randn(6, N, W), torch.ones(6, N, dtype=torch.bool)
    activities[:, -1] = activities[:, -2]
    blind = module(outputs, activities, mask)
    outputs[:, -3] = activities[:, -1]
    assert module(outputs, activities, mask) / 6 < 0.1 < blind / 6


def test_padding_is_neither_foretold_nor_a_negative() -> None:
    outputs, activities = torch.randn(4, N, W), torch.randn(4, N, W)
    mask = torch.ones(4, N, dtype=torch.bool)
    mask[3] = False
    noisy = activities.clone()
    noisy[3] = 100.0
    torch.testing.assert_close(loss(mask, noisy, outputs), loss(mask, activities, outputs))
    torch.testing.assert_close(loss(mask[:3], activities[:3], outputs[:3]), loss(mask, activities, outputs))
    assert loss(torch.zeros_like(mask), activities, outputs) == 0


def test_what_is_foretold_is_not_seen() -> None:
    """Neither by the sequence, whose graph tokens hold what came later, nor where its mask is not causal."""
    *_, ranker = ready(replace(FORETELLS, prefix_causal=False))
    assert ranker.sequence is not None
    mask = torch.ones(3, N, dtype=torch.bool)
    activities = torch.randn(3, N, W)
    later = activities.clone()
    later[:, -2:] = torch.randn(3, 2, W)
    one, other = (ranker.sequence.outputs(given, mask) for given in (activities, later))
    torch.testing.assert_close(one[:, :-2], other[:, :-2])
    assert not torch.allclose(one[:, -1], other[:, -1])
