"""Which rows lie strictly before a moment: one binary search for any number of questions."""

from functools import cache
from typing import Protocol

import torch
from torch import Tensor

LATEST = 2**62
"""Moments lie strictly between minus this and this, microseconds: 146,000 years each way, so that differences fit."""

_STRIDES = 4
"""Searches take a multiple of so many strides, so that few kernels serve graphs and edge types of all sizes."""


def is_before(moment: Tensor, time: Tensor) -> Tensor:
    """Whether a row of that moment is visible at ``time``: the one comparison behind edges, activities and versions."""
    return moment < time


class Timeline:
    """The rows of a CSR sorted by (owner, time), searchable by owner and moment, with no memory of its own.

    Pure torch: the search runs where the tensors are. On CUDA it is compiled into one kernel at its first use.
    """

    def __init__(self, offsets: Tensor, time: Tensor) -> None:
        """``offsets`` (owners + 1,) int64; ``time`` (rows,) int64, ascending within each owner's rows."""
        self.offsets, self.time = offsets, time
        longest = int(offsets.diff().max()) if len(offsets) > 1 else 0
        self.steps = -(-longest.bit_length() // _STRIDES) * _STRIDES

    def end(self, owner: Tensor, time: Tensor) -> Tensor:
        """The row after the owner's last one strictly before ``time``; ``offsets[owner]`` where there is none.

        ``owner`` and ``time`` int64 of shapes that broadcast; answer int64 of the common shape.
        """
        owner, time = torch.broadcast_tensors(owner, time)
        if not self.steps:
            return self.offsets[owner]
        search = _compiled() if self.time.is_cuda and not torch.compiler.is_compiling() else _search
        return search(self.offsets, self.time, owner, time, self.steps)


def _search(offsets: Tensor, moments: Tensor, owner: Tensor, time: Tensor, steps: int) -> Tensor:
    """Binary search within each owner's rows: strides of 2^(steps-1) down to 1, no branches."""
    first, stop = offsets[owner], offsets[owner + 1]
    row, at_hand = first, first.clamp(max=len(moments) - 1)
    for step in range(steps - 1, -1, -1):
        after = row + (1 << step)
        inside = after <= stop
        # Where a stride leaves the owner's rows, read what is in the cache already.
        moment = moments[torch.where(inside, after - 1, at_hand)]
        row = torch.where(inside & is_before(moment, time), after, row)
    return row


class _Search(Protocol):
    def __call__(self, offsets: Tensor, moments: Tensor, owner: Tensor, time: Tensor, steps: int) -> Tensor: ...


@cache
def _compiled() -> _Search:
    return torch.compile(_search, dynamic=True)
