"""The tensors of a graph in memory, in CSR form: edges, node versions and seeds."""

import math
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TypeVar

import pyarrow as pa
import torch
from torch import Tensor

from models.graph.errors import GraphInputError
from models.graph.timeline import Timeline

WEIGHT_STEP = 2.0**-20
"""Weights are rounded to multiples of this for weighted sampling."""
_HEAVIEST = 2.0**62
_LIGHT = 2.0**-10

Group = TypeVar("Group")


@dataclass
class EdgeTensors:
    """One direction of an edge type: CSR by source, each source's rows sorted by time (ties: order of the table)."""

    offsets: Tensor
    """(sources + 1,) int64: rows of source i are offsets[i] to offsets[i + 1]."""
    target: Tensor
    """(rows,) int32: the neighbor."""
    time: Tensor
    """(rows,) int64 microseconds: time of the edge, visible strictly after it."""
    weight: Tensor
    """(rows,) float32; (0,) if every edge has weight 1."""
    numbers: Tensor
    """(rows, numbers) float32: attributes of the edge; NaN where missing."""
    categories: Tensor
    """(rows, categories) int32 codes of the graph's vocabulary; 0 where missing."""

    @cached_property
    def timeline(self) -> Timeline:
        """The rows, searchable by source and time."""
        return Timeline(self.offsets, self.time)

    @cached_property
    def cumulative_weight(self) -> Tensor:
        """The total weight before each row in whole steps, (rows + 1,) int64; weights above 0 are at least one step.

        A step is ``WEIGHT_STEP``; if all weights are below 2^-10, it is ``WEIGHT_STEP`` times the power of two above
        the largest. Raises GraphInputError for weights that are negative, not finite or have too large a sum.
        """
        weight = self.weight.double()
        heaviest = float(weight.max()) if len(weight) else 1.0
        step = WEIGHT_STEP * (math.ldexp(1.0, math.frexp(heaviest)[1]) if heaviest < _LIGHT else 1.0)
        steps = (weight / step).round().clamp(min=1)
        total = float(steps.sum())
        if not total < _HEAVIEST:
            raise GraphInputError(
                f"weights: expected finite numbers that sum up to less than 2^42 over an edge type; found a sum of "
                f"{total * step:g}. Scale them down"
            )
        if len(weight) and float(weight.min()) < 0:
            raise GraphInputError(f"weights: expected 0 or more; found {float(weight.min()):g}. Leave such edges out")
        return torch.nn.functional.pad((steps.long() * (weight > 0)).cumsum(0), (1, 0))

    @cached_property
    def cumulative_zeros(self) -> Tensor | None:
        """The number of rows of weight 0 before each row, (rows + 1,) int64; None if there are none."""
        zero = self.weight == 0
        return torch.nn.functional.pad(zero.long().cumsum(0), (1, 0)) if bool(zero.any()) else None

    def visible(self, source: Tensor, time: Tensor, window: int | None) -> tuple[Tensor, Tensor]:
        """The rows [first, end) of ``source`` strictly before ``time`` and no older than ``window`` microseconds.

        ``source`` and ``time`` int64 of shapes that broadcast; returns two int64 tensors of the common shape.
        """
        end = self.timeline.end(source, time)
        return self.offsets[source].expand_as(end) if window is None else self.timeline.end(source, time - window), end

    def weight_of(self, row: Tensor) -> Tensor:
        """The weights of rows, float32 of ``row``'s shape."""
        if not len(self.weight):
            return torch.ones_like(row, dtype=torch.float32)
        return pick(self.weight, row)


@dataclass
class NodeTensors:
    """One node type: a stable hash per node, and the nodes' versions, CSR by node, sorted by time."""

    id_hash: Tensor
    """(nodes,) int64, 63 bits: hash of the key, the same in every graph with that key."""
    version_offsets: Tensor
    """(nodes + 1,) int64."""
    version_time: Tensor
    """(versions,) int64 microseconds: start of validity, visible strictly after it."""
    numbers: Tensor
    """(versions, numbers) float32; NaN where missing."""
    categories: Tensor
    """(versions, categories) int64 codes of the graph's vocabulary; 0 where missing."""
    vectors: Tensor
    """(versions, sum of sizes) float32, the vector features side by side in schema order; zeros where missing."""

    @cached_property
    def timeline(self) -> Timeline:
        """The versions, searchable by node and time."""
        return Timeline(self.version_offsets, self.version_time)


@dataclass
class Seeds:
    """The impressions of the windows train, validate, gate and test, and cold twins, sorted by (time, key, cold)."""

    member: Tensor
    """(n,) int64: node index; -1 = unknown."""
    item: Tensor
    """(n,) int64: node index; -1 = unknown."""
    surface: Tensor
    """(n,) int64: position in ``SeedSchema.surfaces``."""
    time: Tensor
    """(n,) int64 microseconds: when the impression was shown."""
    settled: Tensor
    """(n,) int64 microseconds: when its outcome was known."""
    window: Tensor
    """(n,) int64: position in ``SeedSchema.windows``."""
    numbers: Tensor
    """(n, numbers) float32: the impression's own features (counters, context) as of its time; NaN where missing."""
    categories: Tensor
    """(n, categories) int64 codes; 0 where missing."""
    labels: Tensor
    """(n, tasks) float32: 0 or 1; NaN where the task is undefined."""
    frozen_time: Tensor
    """(n,) int64 microseconds: as of when the member's frozen state is read, at most the row's own time. In the train
    window a random time of the days before, else one microsecond past the start of the row's window (so that events at
    the start itself are visible)."""
    frozen_numbers: Tensor
    """Like ``numbers``, with features keyed by the member as of ``frozen_time``."""
    frozen_categories: Tensor
    """Like ``categories``, with features keyed by the member as of ``frozen_time``."""
    cold: Tensor
    """(n,) bool: a cold twin, a copy of the seed with the same key whose item is read as one that was never shown, or
    whose member as one that was never seen."""
    keys: pa.Array
    """(n,): the impressions' keys."""
    windows: tuple[str, ...]
    """Names of the windows, in the order of the schema."""
    cold_member: Tensor | None = None
    """(n,) bool: the cold twins whose MEMBER is read as new; None where no seed is one."""

    @property
    def cold_item(self) -> Tensor:
        """(n,) bool: the cold twins whose item is read as new."""
        return self.cold if self.cold_member is None else self.cold & ~self.cold_member

    def acting(self, rows: Tensor) -> Tensor:
        """(n,) int64: the members whose past the seeds ``rows`` (n,) read; -1 where unknown, or read as new."""
        member = self.member[rows]
        return member if self.cold_member is None else member.masked_fill(self.cold_member[rows], -1)

    def __len__(self) -> int:
        return len(self.time)

    def rows(self, window: str, twins: bool = False) -> Tensor:
        """The positions of a window's seeds, (rows,) int64, sorted by time; without cold twins unless ``twins``.

        Raises ValueError for an unknown window.
        """
        inside = self.window == self.windows.index(window)
        return torch.nonzero(inside if twins else inside & ~self.cold).flatten()


def without_attributes(time: Tensor) -> tuple[Tensor, Tensor]:
    """Empty numbers and categories, (rows, 0) each, for edges without attributes; ``time`` (rows,)."""
    return time.new_zeros(len(time), 0, dtype=torch.float32), time.new_zeros(len(time), 0, dtype=torch.int32)


def pick(values: Tensor, row: Tensor) -> Tensor:
    """``values[row]`` of a one-dimensional tensor, for ``row`` int64 of any shape."""
    return values.index_select(0, row.reshape(-1)).view(row.shape)


def tensors_of(group: object) -> dict[str, Tensor]:
    """The tensor fields, of any shape, of one of the groups above, by name."""
    values = {field.name: getattr(group, field.name) for field in fields(group)}  # type: ignore[arg-type]
    return {name: value for name, value in values.items() if isinstance(value, Tensor)}


def moved(group: Group, device: torch.device | str) -> Group:
    """The group with its tensors on that device."""
    return replace(group, **{name: value.to(device) for name, value in tensors_of(group).items()})  # type: ignore[type-var]
