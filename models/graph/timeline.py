"""Vectorized binary search in CSR rows: which rows are strictly before a time."""

from functools import cache
from typing import Protocol

import torch
from torch import Tensor

from models.graph.compiler import gpu_compiler

LATEST = 2**62
"""Times are strictly between minus this and this, microseconds (146,000 years), so that differences fit into int64."""

_STRIDES = 4
"""The number of search steps is a multiple of this, so that few compiled kernels serve all sizes."""


def is_before(moment: Tensor, time: Tensor) -> Tensor:
    """Whether a row at ``moment`` is visible at ``time``, int64 microseconds of shapes that broadcast.

    The only comparison behind the visibility of edges, activities and versions.
    """
    return moment < time


class Timeline:
    """CSR rows sorted by (owner, time), searchable by owner and time without any extra memory.

    The search runs on the tensors' device. On CUDA it is compiled into one kernel at its first use, if there is a
    compiler (``models.graph.compiler``).
    """

    def __init__(self, offsets: Tensor, time: Tensor) -> None:
        """``offsets`` (owners + 1,) int64; ``time`` (rows,) int64, ascending within each owner's rows."""
        self.offsets, self.time = offsets, time
        longest = int(offsets.diff().max()) if len(offsets) > 1 else 0
        self.steps = -(-longest.bit_length() // _STRIDES) * _STRIDES

    def end(self, owner: Tensor, time: Tensor) -> Tensor:
        """The row after the owner's last row strictly before ``time``; ``offsets[owner]`` if there is none.

        ``owner`` and ``time`` int64 of shapes that broadcast; returns int64 of the common shape.
        """
        owner, time = torch.broadcast_tensors(owner, time)
        if not self.steps:
            return self.offsets[owner]
        compiled = self.time.is_cuda and not torch.compiler.is_compiling() and gpu_compiler()
        search = _compiled() if compiled else _search
        return search(self.offsets, self.time, owner, time, self.steps)


def _search(offsets: Tensor, moments: Tensor, owner: Tensor, time: Tensor, steps: int) -> Tensor:
    """Branch-free binary search within each owner's rows, with strides from 2^(steps-1) down to 1."""
    first, stop = offsets[owner], offsets[owner + 1]
    row, cached = first, first.clamp(max=len(moments) - 1)
    for step in range(steps - 1, -1, -1):
        after = row + (1 << step)
        inside = after <= stop
        # Where a stride leaves the owner's rows, read a row that is in the cache already.
        moment = moments[torch.where(inside, after - 1, cached)]
        row = torch.where(inside & is_before(moment, time), after, row)
    return row


class _Search(Protocol):
    def __call__(self, offsets: Tensor, moments: Tensor, owner: Tensor, time: Tensor, steps: int) -> Tensor: ...


@cache
def _compiled() -> _Search:
    return torch.compile(_search, dynamic=True)
