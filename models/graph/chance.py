"""Random numbers without a state: hashes of what is asked, so that a question draws the same in any batch and order.

SplitMix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators") in int64 arithmetic that wraps
around: the same bits on every device.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

_STEP = 0x9E3779B97F4A7C15 - 2**64
_FIRST, _SECOND = 0xBF58476D1CE4E5B9 - 2**64, 0x94D049BB133111EB - 2**64
NUMBERS = 2**63
"""Random numbers lie in [0, NUMBERS)."""


@dataclass(frozen=True)
class Draw:
    """What a random choice depends on beside the node and the time that are asked."""

    seed: int
    draw: int
    hop: int
    place: int
    """Position of the branch in ``GraphSchema.branches``."""

    def of(self, index: Tensor, time: Tensor) -> "Chance":
        """The chance of those nodes at those times."""
        return Chance(self, index, time)


@dataclass(frozen=True)
class Chance:
    """Random numbers, a function of the draw, the node and the time alone."""

    draw: Draw
    index: Tensor
    """(parents,) int64, below 2^31."""
    time: Tensor
    """(parents,) int64."""

    def numbers(self, count: int, begin: int = 0) -> Tensor:
        """(count, parents) int64 from 0 to 2^63 - 1: the numbers ``begin`` to ``begin + count`` of each parent."""
        state = self.index + (self.draw.place << 32) + (self.draw.hop << 48)
        for part in (self.time, self.draw.seed, self.draw.draw):
            state = mixed(state) + part
        place = torch.arange(begin + 1, begin + count + 1, device=state.device) * _STEP
        return mixed(mixed(state) + place.unsqueeze(1)) & (NUMBERS - 1)


def mixed(value: Tensor) -> Tensor:
    """The finaliser of SplitMix64, a bijection of int64 onto itself; any shape."""
    value = (value ^ _shifted(value, 30)) * _FIRST
    value = (value ^ _shifted(value, 27)) * _SECOND
    return value ^ _shifted(value, 31)


def _shifted(value: Tensor, bits: int) -> Tensor:
    """Shifted right as an unsigned number."""
    return (value >> bits) & ((1 << (64 - bits)) - 1)
