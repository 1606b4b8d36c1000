"""Random histories: times with ties, padding anywhere, members without tokens."""

from typing import NamedTuple

import torch
from torch import Tensor

from models.nn.history.transformer import HistoryTransformer, Positions

WIDTH, LONGEST = 16, 40


class History(NamedTuple):
    """Arguments of ``HistoryTransformer.forward``."""

    tokens: Tensor
    time: Tensor
    mask: Tensor


def random_history(seed: int, batch: int, length: int, moments: int = 6) -> History:
    """Times are among ``moments``, so that many are equal; the last row is padding alone."""
    draw = torch.Generator().manual_seed(seed)
    tokens = torch.randn(batch, length, WIDTH, generator=draw)
    time = torch.randint(-2, moments - 2, (batch, length), generator=draw)
    mask = torch.rand(batch, length, generator=draw) < 0.7
    mask[-1:] = False
    return History(tokens, time, mask)


def appended(history: History, candidate: Tensor, now: Tensor) -> History:
    """The history with one more token, ``candidate`` (B, w) at the time ``now`` (B,)."""
    real = torch.ones(len(now), 1, dtype=torch.bool)
    ends = (candidate.unsqueeze(1), now.unsqueeze(1), real)
    return History(*(torch.cat(pair, dim=1) for pair in zip(history, ends, strict=True)))


def transformer(positions: Positions = "rope", layers: int = 2, heads: int = 4) -> HistoryTransformer:
    """Weights away from their start, in evaluation mode."""
    torch.manual_seed(0)
    made = HistoryTransformer(WIDTH, layers, heads, 0.1, positions, LONGEST).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return made
