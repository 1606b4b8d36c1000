"""Which of a node's visible edges a tree takes: rows of the CSR, chosen out of each parent's visible range."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from models.graph.schema import Strategy
from models.graph.tensors import EdgeTensors


@dataclass(frozen=True)
class Draw:
    """What a random choice depends on beside the node and the time that are asked."""

    seed: int
    draw: int
    hop: int
    place: int
    """Position of the edge type among those that are walked."""

    def of(self, index: Tensor, time: Tensor) -> "Chance":
        """The chance of those nodes at those times."""
        return Chance(self, index, time)


@dataclass(frozen=True)
class Chance:
    """Random numbers, a function of the draw, the node and the time alone."""

    draw: Draw
    index: Tensor
    """(parents,) int64."""
    time: Tensor
    """(parents,) int64."""


def most_recent(edges: EdgeTensors, first: Tensor, end: Tensor, fan_out: int, chance: Chance) -> tuple[Tensor, Tensor]:
    """The latest rows of each range [first, end), latest first: row and mask, (parents, fan_out)."""
    row = end.unsqueeze(1) - torch.arange(1, fan_out + 1, device=end.device)
    return row, row >= first.unsqueeze(1)


CHOOSE: dict[Strategy, Callable[[EdgeTensors, Tensor, Tensor, int, Chance], tuple[Tensor, Tensor]]] = {
    "most_recent": most_recent,
}
