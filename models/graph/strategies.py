"""Sampling strategies: which CSR rows of each parent's visible range a tree takes.

The first k places of a larger fan-out equal the sample of fan-out k, for every strategy. All strategies take ``first``
and ``end`` (parents,) int64, the visible rows [first, end), and return rows (parents, fan_out) int64 and their mask.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from models.graph.chance import Chance
from models.graph.schema import Strategy
from models.graph.tensors import EdgeTensors, pick

_LAST = 1 << 20
"""Random numbers from this position on choose among edges of weight 0; no fan-out reaches it."""


def most_recent(edges: EdgeTensors, first: Tensor, end: Tensor, fan_out: int, chance: Chance) -> tuple[Tensor, Tensor]:
    """The latest rows of each range, latest first: (parents, fan_out) int64, and their mask."""
    row = end.unsqueeze(1) - torch.arange(1, fan_out + 1, device=end.device)
    return row, row >= first.unsqueeze(1)


def uniform(edges: EdgeTensors, first: Tensor, end: Tensor, fan_out: int, chance: Chance) -> tuple[Tensor, Tensor]:
    """Uniformly random rows of each range without replacement, in the order of drawing: (parents, fan_out)."""
    return _successive(None, first, end, fan_out, chance)


def weighted(edges: EdgeTensors, first: Tensor, end: Tensor, fan_out: int, chance: Chance) -> tuple[Tensor, Tensor]:
    """Random rows of each range without replacement, in proportion to weight, in order of drawing: (parents, fan_out).

    The distribution of Gumbel top-k and of Efraimidis and Spirakis 2006, at a cost that barely grows with the degree.
    An alias table would be wrong: what is visible, and so every probability, changes with the seed's time. Weights are
    rounded to steps of 2^-20, at least one; edges of weight 0 are drawn after all others, uniformly. Raises
    GraphInputError for weights that are negative, not finite or have too large a sum.
    """
    if not len(edges.weight):
        return uniform(edges, first, end, fan_out, chance)
    row, mask = _successive(edges.cumulative_weight, first, end, fan_out, chance)
    if edges.cumulative_zeros is None:
        return row, mask
    last, there = _successive(edges.cumulative_zeros, first, end, fan_out, chance, number=_LAST)
    place = torch.arange(fan_out, device=row.device) - mask.sum(dim=1, keepdim=True)  # among the rows of weight 0
    own = place.clamp(min=0)
    return torch.where(mask, row, last.gather(1, own)), mask | there.gather(1, own)


def _successive(
    cumulative: Tensor | None, first: Tensor, end: Tensor, fan_out: int, chance: Chance, number: int = 0
) -> tuple[Tensor, Tensor]:
    """Draw ``fan_out`` rows of each range without replacement: a drawn row's interval is removed from the range.

    ``cumulative`` (rows + 1,) int64: the total weight before each row; None = every row has weight 1. ``number``: the
    position of the first random number to use.
    """
    begin = first if cumulative is None else pick(cumulative, first)
    left = (end if cumulative is None else pick(cumulative, end)) - begin  # (parents,) the total weight that is left
    numbers = chance.numbers(fan_out, number)
    # (fan_out, parents): start and length of the intervals that are removed.
    cut, width = torch.zeros_like(numbers), torch.zeros_like(numbers)
    row, mask = torch.zeros_like(numbers), torch.zeros_like(numbers, dtype=torch.bool)
    for place in range(fan_out):
        mask[place] = left > 0
        point = numbers[place] % left.clamp(min=1)
        passed = cut[:place] <= point
        before = (width[:place] * passed).sum(dim=0)
        at = torch.where(left > 0, begin + point + before, 0)
        if cumulative is None:
            row[place], start, width[place] = at, at, 1
        else:
            # The last of equal values is the row with a weight; without any it would be behind the last row.
            row[place] = (torch.searchsorted(cumulative, at, right=True) - 1).clamp(max=len(cumulative) - 2)
            start = pick(cumulative, row[place])
            width[place] = (pick(cumulative, row[place] + 1) - start) * (left > 0)
        cut[place] = start - begin - before
        cut[:place] -= width[place] * ~passed
        left = left - width[place]
    return row.T, mask.T


CHOOSE: dict[Strategy, Callable[[EdgeTensors, Tensor, Tensor, int, Chance], tuple[Tensor, Tensor]]] = {
    "most_recent": most_recent,
    "uniform": uniform,
    "weighted": weighted,
}
