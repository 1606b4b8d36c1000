"""Finite scalar quantizer (FSQ): each dimension of the scaled vector through tanh, then to one of L equal steps.

L steps of -1 to 1 fit into the bits of L (16: half a byte); ``round(tanh(v) * L)`` as written would need 2 L + 1.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Frame(NamedTuple):
    """Where a vector of d dimensions is looked at from: D dimensions, each of mean 0 and deviation 1."""

    mean: Tensor
    """(d,) float32."""
    rotation: Tensor
    """(d, D) float32: the main directions, or the identity where the vector is narrow enough."""
    scale: Tensor
    """(D,) float32 deviations; 1 for a dimension that does not vary."""


def fit_frame(vectors: Tensor, width: int) -> Frame:
    """The frame of the vectors (n, d) float32, of at most ``width`` dimensions."""
    whole = vectors.double()
    mean = whole.mean(dim=0)
    centered = whole - mean
    size = vectors.shape[1]
    if size <= width:
        rotation = torch.eye(size, dtype=torch.float64)
    else:
        _, directions = torch.linalg.eigh(centered.T @ centered / len(vectors))
        rotation = directions.flip(1)[:, :width]
        largest = rotation.abs().argmax(dim=0)  # a direction's sign is free: its largest entry is positive
        rotation = rotation * rotation[largest, torch.arange(width)].sign()
    spread = (centered @ rotation).square().mean(dim=0).sqrt()
    floor = 1e-6 * spread.max().clamp(min=1e-30)
    scale = torch.where(spread > floor, spread, torch.ones_like(spread))
    return Frame(mean.float(), rotation.float().contiguous(), scale.float())


def encode_scalar(vectors: Tensor, frame: Frame, levels: int) -> Tensor:
    """Levels (n, D) uint8, 1 to ``levels``, of the vectors (n, d) float32."""
    seen = (vectors - frame.mean) @ frame.rotation / frame.scale
    return ((torch.tanh(seen) + 1) * (levels / 2)).floor().clamp(0, levels - 1).to(torch.uint8) + 1


def decode_scalar(found: Tensor, levels: int) -> Tensor:
    """Levels (..., D) -> (..., D) float32 between -1 and 1, the middle of each step; 0 at level 0 (missing)."""
    middle = (found.float() - 0.5) * (2 / levels) - 1
    return torch.where(found > 0, middle, torch.zeros_like(middle))
