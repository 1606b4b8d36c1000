"""Gathering rows of a feature table and averaging them, in one pass: the hot spot of training on trees.

On a GPU a kernel of our own reads each row once and writes only the means. The profile asked for it: compiled by torch,
this expression took three quarters of a step of ``benchmarks.training_throughput`` (docs/graph.md). Everywhere
else, and where the table itself is trained, torch's own operator is the fallback; it is the reference too.
"""

from importlib.util import find_spec

import torch
from torch import Tensor
from torch.nn import functional

_TRITON = find_spec("triton") is not None


def mean_of_rows(table: Tensor, index: Tensor, mask: Tensor) -> Tensor:
    """(parents, width): the mean of the rows ``index`` (parents, fan_out) that are unmasked; zeros where none is.

    ``table`` (rows, width) of any float type, all finite; ``mask`` (parents, fan_out) bool. Sums are taken in float32.
    """
    trained = table.requires_grad and torch.is_grad_enabled()
    if _TRITON and table.is_cuda and not trained and index.numel():
        from models.nn.gather_kernel import mean_by_kernel

        return mean_by_kernel(table, index, mask)
    return mean_by_torch(table, index, mask)


def mean_by_torch(table: Tensor, index: Tensor, mask: Tensor) -> Tensor:
    """The same by torch's own operators."""
    total = functional.embedding_bag(index, table, mode="sum", per_sample_weights=mask.to(table.dtype))
    return (total / mask.sum(dim=1, keepdim=True).clamp(min=1)).to(table.dtype)
