"""Starting values of weights: linear layers that start as an identity, and ``reset_children``."""

import torch
from torch import nn


def reset_children(module: nn.Module) -> None:
    """Reinitialize the weights of all modules below ``module``, as ``torch_geometric.nn.inits.reset`` does."""
    for child in module.children():
        if callable(reset := getattr(child, "reset_parameters", None)):
            reset()
        else:
            reset_children(child)


class PassThrough(nn.Linear):
    """A linear layer that starts near ``share`` times the identity on its first inputs, repeated over the outputs.

    Content vectors of a member's history and of candidates often share one space. A network that starts by passing
    them through has their dot product from the first step; with random maps it would have to find the space again.
    """

    def __init__(self, inputs: int, outputs: int, bias: bool = True, share: float = 1.0) -> None:
        """``outputs`` is a multiple of w = min(inputs, outputs): rows k w to (k + 1) w pass inputs 0 to w - 1."""
        self.share = share
        super().__init__(inputs, outputs, bias)

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """A tenth of the default weights plus the identity; no bias."""
        super().reset_parameters()
        outputs, inputs = self.weight.shape
        width = min(outputs, inputs)
        self.weight *= 0.1
        for start in range(0, outputs, width):
            self.weight[start : start + width, :width] += self.share * torch.eye(width)
        if self.bias is not None:
            self.bias.zero_()


class CommonSpace(nn.Linear):
    """A linear layer that starts as the same map in every layer of its size: vectors of one size share one space."""

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Component i starts on output i; a vector wider than the output by an orthonormal map fixed by its size."""
        super().reset_parameters()  # overwritten below; drawn so that later layers get the same random numbers
        outputs, inputs = self.weight.shape
        if inputs <= outputs:
            self.weight.copy_(torch.eye(outputs, inputs))
        else:
            square, _ = torch.linalg.qr(torch.randn(inputs, inputs, generator=torch.Generator().manual_seed(inputs)))
            self.weight.copy_(square[:outputs])
        self.bias.zero_()
