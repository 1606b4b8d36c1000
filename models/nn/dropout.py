"""Dropout whose mask is cheap to draw on a CPU."""

import torch
from torch import Tensor, nn


class Dropout(nn.Dropout):
    """``nn.Dropout``, which on a CPU draws 53 random bits for every element: a twentieth of a training step.

    Here 24 bits are drawn: each element is dropped with probability ``p``, to 2^-24. On a GPU it is torch's own.
    """

    def forward(self, input: Tensor) -> Tensor:
        """``input`` of any shape; what is kept is divided by 1 - p."""
        if not self.training or not 0 < self.p < 1 or input.device.type != "cpu":
            return super().forward(input)
        kept = torch.rand(input.shape).ge_(self.p).div_(1 - self.p)
        return input * kept.to(input.dtype)
