"""Layers that begin by passing their input on.

Content vectors of members' histories and of candidates often live in one space. A network that starts out by carrying
them through unchanged has their dot product from the first step on, where one with random maps would have to find the
common space again.
"""

import torch
from torch import nn


@torch.no_grad()
def pass_through(layer: nn.Linear, share: float = 1.0) -> nn.Linear:
    """Start as ``share`` times the identity on the first inputs, repeated over the outputs; other weights keep a tenth.

    (out, in) with out a multiple of the width w: rows k w to (k + 1) w pass inputs 0 to w - 1.
    """
    outputs, inputs = layer.weight.shape
    width = min(outputs, inputs)
    layer.weight *= 0.1
    for start in range(0, outputs, width):
        layer.weight[start : start + width, :width] += share * torch.eye(width)
    if layer.bias is not None:
        layer.bias.zero_()
    return layer


@torch.no_grad()
def common_space(layer: nn.Linear) -> nn.Linear:
    """Start by laying component i of a vector on dimension i: vectors of one size land in one space.

    A vector wider than the model is projected by an orthonormal map that depends on the sizes alone.
    """
    outputs, inputs = layer.weight.shape
    if inputs <= outputs:
        layer.weight.copy_(torch.eye(outputs, inputs))
    else:
        square, _ = torch.linalg.qr(torch.randn(inputs, inputs, generator=torch.Generator().manual_seed(inputs)))
        layer.weight.copy_(square[:outputs])
    layer.bias.zero_()
    return layer
