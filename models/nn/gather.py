"""Mean of gathered rows of a feature table in one pass: the hot spot of training on trees.

On a GPU a Triton kernel reads each row once and writes only the means: compiled by torch, this expression took three
quarters of a step of ``benchmarks.training_throughput`` (docs/graph.md). Elsewhere, and where the table itself is
trained, torch's operator does it.
"""

from importlib.util import find_spec

import torch
from torch import Tensor
from torch.nn import functional

_TRITON = find_spec("triton") is not None


def mean_of_rows(table: Tensor, index: Tensor, mask: Tensor) -> Tensor:
    """(parents, width): the mean of the unmasked rows ``index`` (parents, fan_out) int64; zeros where all are masked.

    ``table`` (rows, width) of any float type, all finite; ``mask`` (parents, fan_out) bool. Sums are float32.
    """
    trained = table.requires_grad and torch.is_grad_enabled()
    if _TRITON and table.is_cuda and not trained and index.numel():
        from models.nn.gather_kernel import mean_by_kernel

        return mean_by_kernel(table, index, mask)
    return mean_by_torch(table, index, mask)


def mean_by_torch(table: Tensor, index: Tensor, mask: Tensor) -> Tensor:
    """As ``mean_of_rows``, with the same shapes, by torch's operators on any device."""
    total = functional.embedding_bag(index, table, mode="sum", per_sample_weights=mask.to(table.dtype))
    return (total / mask.sum(dim=1, keepdim=True).clamp(min=1)).to(table.dtype)
