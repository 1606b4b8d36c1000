"""The cross network of DCNv2 (Wang et al. 2021, section 3.2): products of features, of a bounded degree."""

from typing import cast

import torch
from torch import Tensor, nn

_RANK = 32


class CrossNetwork(nn.Module):
    """x_{l+1} = x_0 * (U V x_l + b) + x_l, with U V of low rank: degree ``layers`` + 1 after so many layers."""

    def __init__(self, inputs: int, layers: int) -> None:
        super().__init__()
        rank = min(_RANK, max(inputs, 1))
        self.narrow = nn.ModuleList(nn.Linear(inputs, rank, bias=False) for _ in range(layers))
        self.widen = nn.ModuleList(nn.Linear(rank, inputs) for _ in range(layers))
        with torch.no_grad():
            for layer in self.widen:  # begins near the identity
                cast(nn.Linear, layer).weight *= 0.1

    def forward(self, first: Tensor) -> Tensor:
        """(..., inputs) -> (..., inputs)."""
        crossed = first
        for narrow, widen in zip(self.narrow, self.widen, strict=True):
            crossed = crossed + first * widen(narrow(crossed))
        return crossed
