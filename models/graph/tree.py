"""Results of the sampler: trees of fixed fan-out and activities as dense tensors."""

from dataclasses import dataclass, field
from functools import cached_property

from torch import Tensor

_SECONDS = 1e-6
"""Seconds in a microsecond."""


@dataclass
class Branch:
    """The neighbors of ``parents`` nodes along one edge type, ``fan_out`` places for each."""

    index: Tensor
    """(parents, fan_out) int64: the neighbor; 0 where masked."""
    mask: Tensor
    """(parents, fan_out) bool: True where there is a neighbor."""
    edge_time: Tensor
    """(parents, fan_out) int64 microseconds: the edge's own time; 0 where masked."""
    weight: Tensor
    """(parents, fan_out) float32: the edge's weight; 0 where masked."""
    time: Tensor
    """(parents, fan_out) int64 microseconds: the seed's time, as of which the neighbor's features are read."""
    row: Tensor
    """(parents, fan_out) int64: the edge's row in its ``EdgeTensors``; 0 where masked, and in PageRank branches."""
    branches: dict[str, "Branch"] = field(default_factory=dict)
    """By edge type: the next level, whose parents are this level's places, flattened."""
    cold: Tensor | None = None
    """(parents, fan_out) bool: the neighbor is the tree's own seed, which is read as cold. None = nowhere."""

    @cached_property
    def delta(self) -> Tensor:
        """(parents, fan_out) float32: seconds from the edge to the SEED's time, above 0; 0 where masked."""
        age = (self.time - self.edge_time) * self.mask
        return (age.double() * _SECONDS).float()  # a division would differ between devices


@dataclass
class Tree:
    """The neighborhood of a batch of seeds of one node type."""

    node: str
    index: Tensor
    """(batch,) int64: the seeds; -1 where the node is unknown (cold)."""
    time: Tensor
    """(batch,) int64 microseconds: nothing at or after it is in the tree."""
    branches: dict[str, Branch]
    """By edge type: the first level; parents = batch."""
    cold: Tensor | None = None
    """(batch,) bool: the seeds that are read as cold: without edges of behavior, ID, and features of behavior. None =
    none of them."""


@dataclass
class Activities:
    """The member's last N activities strictly before the seed's time, oldest first, padded at the front."""

    edge: Tensor
    """(batch, N) int64: position in ``GraphSchema.activity_edges``; 0 where masked."""
    target: Tensor
    """(batch, N) int64: the target node, numbered within its own type; 0 where masked."""
    row: Tensor
    """(batch, N) int64: the row in the ``EdgeTensors`` of the activity's edge type; 0 where masked."""
    time: Tensor
    """(batch, N) int64 microseconds; 0 where masked."""
    mask: Tensor
    """(batch, N) bool."""
