"""Which of a node's visible edges a tree takes: rows of the CSR, chosen out of each parent's visible range.

The first k places of a larger fan-out are the choice for a fan-out of k, whatever the strategy.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from models.graph.chance import Chance
from models.graph.schema import Strategy
from models.graph.tensors import EdgeTensors, pick


def most_recent(edges: EdgeTensors, first: Tensor, end: Tensor, fan_out: int, chance: Chance) -> tuple[Tensor, Tensor]:
    """The latest rows of each range [first, end), latest first: row and mask, (parents, fan_out)."""
    row = end.unsqueeze(1) - torch.arange(1, fan_out + 1, device=end.device)
    return row, row >= first.unsqueeze(1)


def uniform(edges: EdgeTensors, first: Tensor, end: Tensor, fan_out: int, chance: Chance) -> tuple[Tensor, Tensor]:
    """Any rows of each range [first, end), all with equal chances, in order of drawing: row and mask."""
    return _successive(None, first, end, fan_out, chance)


def weighted(edges: EdgeTensors, first: Tensor, end: Tensor, fan_out: int, chance: Chance) -> tuple[Tensor, Tensor]:
    """Rows drawn in proportion to weight out of those not drawn yet: row and mask, (parents, fan_out).

    The distribution of Gumbel top-k and of Efraimidis and Spirakis 2006, at a cost that hardly grows with the degree.
    An alias table would be wrong: what is visible, and so every chance, changes with the seed's time. Weights count in
    steps of 2^-20, at least one. Raises GraphInputError for weights that are not finite or sum up to too much.
    """
    return _successive(edges.cumulative_weight if len(edges.weight) else None, first, end, fan_out, chance)


def _successive(
    cumulative: Tensor | None, first: Tensor, end: Tensor, fan_out: int, chance: Chance
) -> tuple[Tensor, Tensor]:
    """Draw ``fan_out`` times from what remains of each range, as if the drawn rows' weights were cut out of a ruler.

    ``cumulative`` (rows + 1,) int64: the weight before each row; None = every row weighs 1.
    """
    begin = first if cumulative is None else pick(cumulative, first)
    left = (end if cumulative is None else pick(cumulative, end)) - begin  # (parents,) the ruler's length
    numbers = chance.numbers(fan_out)
    cut, width = torch.zeros_like(numbers), torch.zeros_like(numbers)  # (fan_out, parents) where, and how much
    row, mask = torch.zeros_like(numbers), torch.zeros_like(numbers, dtype=torch.bool)
    for place in range(fan_out):
        mask[place] = left > 0
        point = numbers[place] % left.clamp(min=1)
        passed = cut[:place] <= point
        before = (width[:place] * passed).sum(dim=0)
        at = torch.where(left > 0, begin + point + before, 0)
        if cumulative is None:
            row[place], start, width[place] = at, at, left > 0
        else:
            row[place] = torch.searchsorted(cumulative, at, right=True) - 1
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
