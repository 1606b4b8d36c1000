"""Counter-based random numbers: hashes of (seed, draw, hop, branch, node, time), equal in any batch and any order.

SplitMix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators") in wrapping int64 arithmetic:
the same bits on every device.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

_STEP = 0x9E3779B97F4A7C15 - 2**64
_FIRST, _SECOND = 0xBF58476D1CE4E5B9 - 2**64, 0x94D049BB133111EB - 2**64
NUMBERS = 2**63
"""Random numbers are in [0, NUMBERS)."""


@dataclass(frozen=True)
class Draw:
    """What a random choice depends on besides the node and the time."""

    seed: int
    draw: int
    hop: int
    place: int
    """Position of the branch in ``GraphSchema.branches``."""

    def of(self, index: Tensor, time: Tensor) -> "Chance":
        """The random numbers of nodes ``index`` (parents,) int64 at ``time`` (parents,) int64 microseconds."""
        return Chance(self, index, time)


@dataclass(frozen=True)
class Chance:
    """Random numbers that depend only on the draw, the node and the time."""

    draw: Draw
    index: Tensor
    """(parents,) int64, below 2^31."""
    time: Tensor
    """(parents,) int64 microseconds."""

    def numbers(self, count: int, begin: int) -> Tensor:
        """Random numbers ``begin`` to ``begin + count - 1`` of each parent, (count, parents) int64 in [0, 2^63)."""
        mixing = self.index + (self.draw.place << 32) + (self.draw.hop << 48)
        for part in (self.time, self.draw.seed, self.draw.draw):
            mixing = mixed(mixing) + part
        place = torch.arange(begin + 1, begin + count + 1, device=mixing.device) * _STEP
        return mixed(mixed(mixing) + place.unsqueeze(1)) & (NUMBERS - 1)


def mixed(value: Tensor) -> Tensor:
    """The finalizer of SplitMix64, a bijection on int64; any shape."""
    value = (value ^ _shifted(value, 30)) * _FIRST
    value = (value ^ _shifted(value, 27)) * _SECOND
    return value ^ _shifted(value, 31)


def _shifted(value: Tensor, bits: int) -> Tensor:
    """Shift right as an unsigned number."""
    return (value >> bits) & ((1 << (64 - bits)) - 1)
