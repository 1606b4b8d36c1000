"""Triton kernel of ``mean_of_rows``, as an operator that works with ``torch.compile`` and CUDA graphs."""

import torch
import triton
import triton.language as tl
from torch import Tensor

_BLOCK = 4
"""Parents per program; on an H100 any number from 2 to 16 is as fast."""


@triton.jit
def _mean_kernel(  # type: ignore[no-untyped-def]
    table, index, mask, means, parents, width, fan_out: tl.constexpr, columns: tl.constexpr, block: tl.constexpr
):
    parent = tl.program_id(0).to(tl.int64) * block + tl.arange(0, block)
    column = tl.arange(0, columns)
    there, wide = parent < parents, column < width
    total = tl.zeros((block, columns), tl.float32)
    count = tl.zeros((block,), tl.float32)
    for place in range(fan_out):
        seen = there & (tl.load(mask + parent * fan_out + place, mask=there, other=0) != 0)
        row = tl.load(index + parent * fan_out + place, mask=seen, other=0)
        values = table + row[:, None] * width + column[None, :]
        total += tl.load(values, mask=seen[:, None] & wide[None, :], other=0.0).to(tl.float32)
        count += seen.to(tl.float32)
    mean = total / tl.maximum(count, 1.0)[:, None]
    written = means + parent[:, None] * width + column[None, :]
    tl.store(written, mean.to(means.dtype.element_ty), mask=there[:, None] & wide[None, :])


@torch.library.triton_op("heliograph::mean_of_rows", mutates_args={})
def mean_by_kernel(table: Tensor, index: Tensor, mask: Tensor) -> Tensor:
    """(parents, width) as ``mean_of_rows``, of ``table`` (rows, width), ``index`` and ``mask`` (parents, fan_out).

    All on one GPU, one parent or more; no gradient.
    """
    parents, fan_out = index.shape
    width = table.shape[1]
    means = torch.empty(parents, width, dtype=table.dtype, device=table.device)
    torch.library.wrap_triton(_mean_kernel)[(triton.cdiv(parents, _BLOCK),)](
        table.contiguous(),
        index.contiguous(),
        mask.contiguous(),
        means,
        parents,
        width,
        fan_out=fan_out,
        columns=triton.next_power_of_2(width),
        block=_BLOCK,
        num_warps=2,
    )
    return means
