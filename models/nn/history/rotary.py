"""Rotary positions (RoPE; Su et al. 2021, section 3.4.2): attention then depends on the distance of two places."""

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

_BASE = 10_000.0


class Turn(NamedTuple):
    """Cosine and sine of the angles, each (B, L, 1, depth); the sines of the first half are negative."""

    cos: Tensor
    sin: Tensor


class Rotary(nn.Module):
    """Angles by place: place p turns the pair of components i and i + depth / 2 by p / 10,000^(2 i / depth)."""

    def __init__(self, depth: int, longest: int) -> None:
        """``depth``: width of a head, an even number; ``longest``: the last place."""
        super().__init__()
        speed = _BASE ** (-torch.arange(0, depth, 2, dtype=torch.float64) / depth)
        angle = torch.arange(longest + 1, dtype=torch.float64).unsqueeze(1) * speed
        self.register_buffer("cos", angle.cos().repeat(1, 2).float(), persistent=False)
        self.register_buffer("sin", torch.cat([-angle.sin(), angle.sin()], dim=1).float(), persistent=False)

    def forward(self, place: Tensor) -> Turn:
        """``place`` (B, L) int64 from 0 to ``longest`` -> the turn of each token's queries and keys."""
        cos, sin = cast(Tensor, self.cos), cast(Tensor, self.sin)
        return Turn(cos[place].unsqueeze(2), sin[place].unsqueeze(2))


def rotate(parts: Tensor, turn: Turn | None) -> Tensor:
    """Queries or keys (B, L, heads, depth), turned; as they are without a ``turn``."""
    if turn is None:
        return parts
    turned = torch.addcmul(parts * turn.cos, parts.roll(parts.shape[-1] // 2, -1), turn.sin)
    return turned.to(parts.dtype)  # angles keep their precision where parts are of half of it
