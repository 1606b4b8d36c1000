"""Which rows lie strictly before a moment: one binary search for any number of questions."""

import torch
from torch import Tensor


def visible_before(moments: Tensor, time: Tensor) -> Tensor:
    """How many of the sorted ``moments`` lie STRICTLY before each ``time``: the one place that refuses equal times.

    ``moments`` (distinct,) int64, ascending; ``time`` of any shape, int64; answer of time's shape, int64.
    """
    return torch.searchsorted(moments, time.contiguous())


class Timeline:
    """The rows of a CSR sorted by (owner, time), searchable by owner and moment.

    Times become ranks among the distinct moments, so that (owner, rank) fits one int64 whatever the span of time, and
    one ``searchsorted`` answers every question, on any device, with no loop in Python.
    """

    def __init__(self, offsets: Tensor, time: Tensor) -> None:
        """``offsets`` (owners + 1,) int64; ``time`` (rows,) int64, ascending within each owner's rows."""
        self.offsets = offsets
        self.moments, rank = torch.unique(time, return_inverse=True)
        owner = torch.repeat_interleave(offsets.diff(), output_size=len(time))
        self._key = owner * (len(self.moments) + 1) + rank

    def rank(self, time: Tensor) -> Tensor:
        """The rank of moments, to be asked once per seed and used for all its neighbours."""
        return visible_before(self.moments, time)

    def end(self, owner: Tensor, rank: Tensor) -> Tensor:
        """The row after the owner's last visible one; ``offsets[owner]`` or less where none is. Shape of ``owner``."""
        return torch.searchsorted(self._key, owner * (len(self.moments) + 1) + rank)
