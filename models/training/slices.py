"""Grouping and slicing: seeds of one member close in time share one member state (LiGNN, arXiv 2402.11139).

A slice's state is as of its EARLIEST seed, strictly before each of its seeds, so no event between them can leak into
one. Reading it as of the latest seed and masking later events would leak how many there were: a tree has a fixed number
of places, and each later edge (the seed's own click among them) takes the place of an older one.

Serving does the same: one stored member state serves several requests, and the decoder gets its age.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.graph.timeline import LATEST, Timeline
from models.time_units import HOUR


@dataclass(frozen=True)
class Slices:
    """S slices of n seeds."""

    rows: Tensor
    """(n,) int64: the seeds, slice by slice, by time within a slice."""
    offsets: Tensor
    """(S + 1,) int64: the start of each slice in ``rows``, and n."""

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def take(self, chosen: Tensor) -> "Slices":
        """The slices ``chosen`` (k,) int64, in that order."""
        sizes = self.offsets.diff()[chosen]
        offsets = torch.cat([sizes.new_zeros(1), sizes.cumsum(0)])
        shift = (self.offsets[:-1][chosen] - offsets[:-1]).repeat_interleave(sizes)
        return Slices(self.rows[torch.arange(len(shift), device=shift.device) + shift], offsets)

    @property
    def first(self) -> Tensor:
        """(S,) int64: the earliest seed of each slice."""
        return self.rows[self.offsets[:-1]]

    @property
    def of(self) -> Tensor:
        """(n,) int64: the slice of each of ``rows``."""
        return torch.repeat_interleave(self.offsets.diff())

    def batches(self, size: int) -> list["Slices"]:
        """Runs of whole slices of about ``size`` seeds: those that start within the same ``size`` rows."""
        begins = torch.arange(0, len(self.rows) + size, size, device=self.rows.device)
        return [run for run in self._runs(torch.searchsorted(self.offsets[:-1].contiguous(), begins)) if len(run)]

    def parts(self, count: int) -> list["Slices"]:
        """``count`` disjoint runs of slices of nearly equal length; some are empty if there are too few slices."""
        return self._runs(torch.arange(count + 1, device=self.rows.device) * len(self) // count)

    def _runs(self, bounds: Tensor) -> list["Slices"]:
        """The runs of slices between consecutive ``bounds`` (k + 1,)."""
        at, rows = bounds.tolist(), self.offsets[bounds].tolist()
        return [
            Slices(self.rows[rows[i] : rows[i + 1]], self.offsets[at[i] : at[i + 1] + 1] - rows[i])
            for i in range(len(at) - 1)
        ]


def one_each(rows: Tensor) -> Slices:
    """One slice per seed of ``rows`` (n,) int64, in the order given."""
    return Slices(rows, torch.arange(len(rows) + 1, device=rows.device))


def cut(rows: Tensor, member: Tensor, time: Tensor, size: int, hours: float) -> Slices:
    """Group the seeds ``rows`` (n,) by member, order them by (time, row) and cut every group into slices.

    ``member``, ``time`` (n,) int64 of each seed. A slice has at most ``size`` seeds, at most ``hours`` apart. Seeds of
    an unknown member (-1) are not grouped.
    """
    if size <= 1 or not len(rows):
        return one_each(rows)
    order = rows.argsort(stable=True)
    for key in (time, member):
        order = order[key[order].argsort(stable=True)]
    member, time = member[order], time[order]
    alone = member < 0
    alone[1:] |= member[1:] != member[:-1]
    alone[0] = True
    group = alone.cumsum(0) - 1
    place = torch.arange(len(rows) + 1, device=rows.device)
    offsets = torch.cat([alone.nonzero().flatten(), place[-1:]])
    # ``jump``: the end of a slice that starts at each seed. Following it from each group's start gives the slices; with
    # the jumps doubled each round, that takes as many rounds as the longest chain has binary digits.
    reach = Timeline(offsets, time).end(group, time + round(min(hours * HOUR, LATEST - 2)) + 1)
    jump = torch.cat([torch.minimum(place[:-1] + size, reach), place[-1:]])
    begins = torch.zeros(len(rows) + 1, dtype=torch.bool, device=rows.device)
    begins[offsets] = True
    for _ in range(len(rows).bit_length()):
        begins[jump[begins]] = True
        jump = jump[jump]
    return Slices(rows[order], begins.nonzero().flatten())
