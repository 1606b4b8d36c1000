"""The cross network of DCNv2 (Wang et al. 2021, section 3.2): products of features up to a fixed degree."""

from typing import cast

import torch
from torch import Tensor, nn

from models.nn.start import reset_children

_RANK = 32


class CrossNetwork(nn.Module):
    """x_{l+1} = x_0 * (U V x_l + b) + x_l, with U V of low rank: polynomials of degree ``layers`` + 1."""

    def __init__(self, inputs: int, layers: int) -> None:
        super().__init__()
        rank = min(_RANK, max(inputs, 1))
        self.narrow = nn.ModuleList(nn.Linear(inputs, rank, bias=False) for _ in range(layers))
        self.widen = nn.ModuleList(nn.Linear(rank, inputs) for _ in range(layers))
        self._shrink()

    def reset_parameters(self) -> None:
        """Reinitialize all weights."""
        reset_children(self)
        self._shrink()

    @torch.no_grad()
    def _shrink(self) -> None:
        """Start near the identity."""
        for layer in self.widen:
            cast(nn.Linear, layer).weight *= 0.1

    def forward(self, first: Tensor) -> Tensor:
        """(..., inputs) -> (..., inputs)."""
        crossed = first
        for narrow, widen in zip(self.narrow, self.widen, strict=True):
            crossed = crossed + first * widen(narrow(crossed))
        return crossed
