"""Batches: the defaults of a call, ages, and what a batch is without activities or slices."""

from typing import Any

import pytest
import torch

from models.graph.tree import Activities
from models.nn.encoded import EncodedGraph, encode_graph
from models.nn.encoding import Encoding
from models.time_units import HOUR
from models.training.batches import Batches, activity_age, last_activities
from models.training.slices import Slices, one_each
from tests.models.training.small import small_graph


@pytest.fixture(scope="module")
def encoded() -> EncodedGraph:
    graph = small_graph()
    return encode_graph(Encoding.fit(graph, graph.schema.window("train").end), graph.schema, graph)


def test_a_batch_is_as_of_its_seeds_and_of_the_first_draw(
    encoded: EncodedGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches, rows, draws = Batches(encoded, 5), encoded.graph.seeds.rows("test")[:6], []
    tree = batches.sampler.tree

    def spy(node: str, index: Any, time: Any, draw: int, cold: Any = None) -> Any:
        draws.append((node, draw))
        return tree(node, index, time, draw)

    monkeypatch.setattr(batches.sampler, "tree", spy)
    batch = batches.make(one_each(rows))
    batches.make(one_each(rows), draw=7)
    assert draws == [("member", 0), ("item", 0), ("member", 7), ("item", 7)]
    assert (batches.sampler.seed, batches.sampler.largest_fan_out, batches.sampler.hops) == (0, None, 2)
    assert batch.slice is None
    for time in (batch.member_time, batch.member.time, batch.item.time):
        assert torch.equal(time, encoded.graph.seeds.time[rows])
    assert batch.state_age.tolist() == [0.0] * 6
    assert batch.numbers.shape == (6, 1, 4)
    assert batch.categories.shape == (6, 1, 1)


def test_the_age_of_a_shared_state_is_seconds_since_the_earliest_seed(encoded: EncodedGraph) -> None:
    seeds = encoded.graph.seeds
    rows = seeds.rows("test")[:3]
    batch = Batches(encoded, 5).make(Slices(rows, torch.tensor([0, 2, 3])))
    assert batch.slice is not None
    assert batch.slice.tolist() == [0, 0, 1]
    since = ((seeds.time[rows] - seeds.time[rows][[0, 0, 2]]) // 1_000_000).tolist()
    assert batch.state_age.tolist() == since


def test_ages_are_seconds_and_zero_where_masked() -> None:
    time, none = torch.tensor([[0, 5 * HOUR], [2 * HOUR, 0]]), torch.zeros(2, 2, dtype=torch.int64)
    mask = torch.tensor([[False, True], [True, False]])
    found = activity_age(Activities(none, none, none, time, mask), torch.tensor([6 * HOUR, 4 * HOUR]))
    assert found.tolist() == [[0.0, 3600.0], [7200.0, 0.0]]


def test_without_activities_there_are_no_columns(encoded: EncodedGraph) -> None:
    batches, time = Batches(encoded, 0), torch.tensor([5, 6, 7])
    none = last_activities(batches.sampler, torch.tensor([0, 1, -1]), time, 0)
    for part in (none.edge, none.target, none.row, none.time, none.mask):
        assert part.shape == (3, 0)
    assert (none.mask.dtype, none.edge.dtype) == (torch.bool, torch.int64)
