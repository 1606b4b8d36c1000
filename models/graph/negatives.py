"""Random nodes for negative sampling, only among those that exist before the pair's time."""

from functools import cached_property

import torch
from torch import Tensor

from models.graph.errors import QueryError
from models.graph.tensors import NodeTensors
from models.graph.timeline import LATEST, Timeline


class Existence:
    """The nodes of one type by the time since which they exist.

    A node exists strictly after the time of its first version; a node without versions exists always.
    """

    def __init__(self, name: str, node: NodeTensors) -> None:
        self.name, self.node = name, node

    @cached_property
    def _order(self) -> tuple[Tensor, Timeline]:
        """The nodes (nodes,) sorted by the time of their first version, and those times."""
        first, count = self.node.version_offsets[:-1], self.node.version_offsets.diff()
        time = torch.full_like(first, -LATEST)
        time[count > 0] = self.node.version_time[first[count > 0]]
        time, node = time.sort(stable=True)
        return node, Timeline(torch.tensor([0, len(node)], device=time.device), time)

    def draw(self, time: Tensor, weight: Tensor | None = None) -> Tensor:
        """Draw one existing node for each ``time`` (n,) int64 microseconds: (n,) int64, with replacement.

        ``weight`` (nodes,): probabilities are proportional to it; None = uniform. Uses PyTorch's global generator.
        Raises QueryError if no node (of a weight above 0) exists at a time.
        """
        node, timeline = self._order
        if weight is not None and (weight.shape != node.shape or bool((weight < 0).any())):
            raise QueryError(
                f"weight of negatives: expected {len(node)} values of 0 or more, one per node of type {self.name!r}; "
                f"found shape {tuple(weight.shape)}"
            )
        each = torch.ones_like(node) if weight is None else weight.to(node.device)[node]
        below = torch.cat([each.new_zeros(1).double(), each.double().cumsum(0)])
        existing = timeline.end(torch.zeros_like(time), time)
        total = below[existing]
        if bool((total <= 0).any()):
            raise QueryError(
                f"negatives: expected nodes of type {self.name!r} before each pair's time; found none before "
                f"{int(time.min())}. Leave out the earliest pairs"
            )
        chance = torch.rand(len(time), dtype=torch.float64).to(node.device) * total
        return node[torch.searchsorted(below, chance, right=True).sub(1).minimum(existing - 1)]
