"""The search for the rows before a time: against plain counting, for owners with no, one and many rows."""

import pytest
import torch

from models.graph import timeline
from models.graph.timeline import Timeline


@pytest.mark.parametrize("most", [1, 2, 15, 16, 300])
def test_the_end_is_the_number_of_earlier_rows(most: int) -> None:
    rows = torch.tensor([0, most, 1, 0, most - 1])
    offsets = torch.cat([torch.zeros(1, dtype=torch.int64), rows.cumsum(0)])
    time = torch.cat([torch.arange(int(count)) // 2 for count in rows])
    owner = torch.arange(5).repeat_interleave(most // 2 + 3)
    queried = (torch.arange(most // 2 + 3) - 1).repeat(5)
    parts = [time[offsets[one] : offsets[one + 1]] for one in range(5)]
    expected = [
        int(offsets[one]) + int((parts[one] < moment).sum())
        for one, moment in zip(owner.tolist(), queried.tolist(), strict=True)
    ]
    assert Timeline(offsets, time).end(owner, queried).tolist() == expected


def test_without_owners_there_is_nothing_to_find() -> None:
    nothing = torch.zeros(0, dtype=torch.int64)
    found = Timeline(torch.tensor([0]), nothing)
    assert found.steps == 0
    assert found.end(nothing, nothing).shape == (0,)


def test_shapes_broadcast() -> None:
    found = Timeline(torch.tensor([0, 2, 3]), torch.tensor([1, 4, 2])).end(torch.tensor([[0], [1]]), torch.arange(6))
    assert found.tolist() == [[0, 0, 1, 1, 1, 2], [2, 2, 2, 3, 3, 3]]


def test_nothing_is_compiled_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def compiled() -> None:
        raise AssertionError

    monkeypatch.setattr(timeline, "_compiled", compiled)
    assert Timeline(torch.tensor([0, 2]), torch.tensor([1, 4])).end(torch.tensor([0]), torch.tensor([2])).item() == 1


@pytest.mark.parametrize(("moment", "time", "seen"), [(1, 2, True), (2, 2, False), (3, 2, False)])
def test_a_row_is_visible_strictly_after_its_moment(moment: int, time: int, seen: bool) -> None:
    assert bool(timeline.is_before(torch.tensor(moment), torch.tensor(time))) is seen
