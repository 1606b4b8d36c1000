"""Random nodes of the past."""

from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.graph import timeline
from models.graph.errors import QueryError
from models.graph.fakes import DAY, START, fake_graph
from models.graph.negatives import Existence
from models.graph.tensors import NodeTensors


@cache
def members() -> NodeTensors:
    """Shared: read only."""
    return fake_graph().nodes["member"]


@cache
def first_times() -> list[int | None]:
    """The time of each node's first version; None without versions."""
    node = members()
    rows = node.version_offsets.unfold(0, 2, 1).tolist()
    return [int(node.version_time[first]) if first < end else None for first, end in rows]


MOMENT = st.deferred(lambda: st.sampled_from([time for time in first_times() if time is not None]))


def exists(node: int, time: int) -> bool:
    first = first_times()[node]
    return first is None or first < time


@given(st.lists(MOMENT, max_size=20), st.integers(-1, 1), st.booleans())
@settings(max_examples=60, deadline=None)
def test_drawn_nodes_exist_before_the_moment(times: list[int], by: int, weighted: bool) -> None:
    time = torch.tensor(times, dtype=torch.int64) + by
    weight = torch.arange(40.0) if weighted else None
    drawn = Existence("member", members()).draw(time, weight)
    assert drawn.shape == time.shape
    assert all(exists(node, moment) for node, moment in zip(drawn.tolist(), time.tolist(), strict=True))
    assert not weighted or 0 not in drawn.tolist()


def test_every_existing_node_is_drawn_in_proportion() -> None:
    moment = START
    known = [node for node in range(40) if exists(node, moment)]
    assert 0 < len(known) < 40
    weight = torch.where(torch.arange(40) % 2 == 0, 3.0, 1.0)
    drawn = Existence("member", members()).draw(torch.full((40_000,), moment), weight)
    share = drawn.bincount(minlength=40) / len(drawn)
    expected = torch.zeros(40)
    expected[known] = weight[known] / weight[known].sum()
    torch.testing.assert_close(share, expected, rtol=0, atol=0.01)


def test_a_node_of_that_very_moment_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = max(first for first in first_times() if first is not None)
    time = torch.full((2_000,), moment)
    assert all(exists(node, moment) for node in Existence("member", members()).draw(time).tolist())
    monkeypatch.setattr(timeline, "is_before", lambda moment, time: moment <= time)
    assert not all(exists(node, moment) for node in Existence("member", members()).draw(time).tolist())


def test_no_node_to_draw_is_an_error() -> None:
    node = fake_graph(members=5).nodes["member"]
    with pytest.raises(QueryError, match="Leave out the earliest pairs"):
        Existence("member", node).draw(torch.tensor([START - 100 * DAY]))
    with pytest.raises(QueryError, match="5 values of 0 or more"):
        Existence("member", node).draw(torch.tensor([START]), torch.ones(4))
    assert len(Existence("member", node).draw(torch.tensor([], dtype=torch.int64))) == 0
    with pytest.raises(QueryError, match="5 values of 0 or more"):
        Existence("member", node).draw(torch.tensor([START]), torch.tensor([1.0, 2.0, -0.5, 1.0, 1.0]))


TWO = NodeTensors(
    id_hash=torch.arange(2),
    version_offsets=torch.tensor([0, 1, 2]),
    version_time=torch.tensor([20, 10]),
    numbers=torch.zeros(2, 0),
    categories=torch.zeros(2, 0, dtype=torch.int64),
    vectors=torch.zeros(2, 0),
)
"""Node 1 exists after 10, node 0 after 20."""


def test_the_only_node_is_drawn() -> None:
    existence = Existence("member", TWO)
    assert existence.draw(torch.full((50,), 11)).tolist() == [1] * 50
    assert existence.draw(torch.full((50,), 11), torch.tensor([9.0, 0.25])).tolist() == [1] * 50
    assert existence.draw(torch.full((50,), 21), torch.tensor([0.5, 0.0])).tolist() == [0] * 50
    with pytest.raises(QueryError, match=r"of type 'member' before each pair's time; found none before 9\. Leave out"):
        existence.draw(torch.tensor([21, 9, 11, 10]))


@pytest.mark.parametrize(("luck", "drawn"), [(0.0, [1, 1]), (1.0, [1, 0])])
def test_the_ends_of_chance_stay_among_existing_nodes(
    luck: float, drawn: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chance is below 1; rounding may still reach the total."""
    existence, time = Existence("member", TWO), torch.tensor([11, 21])
    monkeypatch.setattr(torch, "rand", lambda count, dtype: torch.full((count,), luck, dtype=dtype))
    assert existence.draw(time).tolist() == drawn
    assert existence.draw(time[1:], torch.tensor([2.0, 0.0])).tolist() == [0]
