from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from models.nn.activity import Content, fill_rows, fill_without_sync

Fill = Callable[[Tensor, Tensor, Tensor, Tensor, Content], Tensor]


def content(index: Tensor, time: Tensor) -> Tensor:
    return torch.stack([index, time, index * time], dim=1).float()


@pytest.mark.parametrize("fill", [fill_rows, fill_without_sync])
@pytest.mark.parametrize("seen", [[True, False, True, False], [False] * 4])
def test_rows_that_are_seen_are_filled_in_and_the_others_stay(fill: Fill, seen: list[bool]) -> None:
    """Those of another type of node are there already, and their targets are no nodes of this one."""
    tokens, target, time = torch.randn(4, 3), torch.tensor([3, 9_999, 0, 7]), torch.arange(4)
    found = fill(tokens, torch.tensor(seen), target, time, content)
    for row, here in enumerate(seen):
        expected = content(target, time)[row] if here else tokens[row]
        assert torch.equal(found[row], expected)
