from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from models.graph.fakes import fake_graph
from models.nn import activity
from models.nn.activity import ActivityEncoder, Content, fill_rows, fill_without_sync
from models.nn.encoded import encode_graph
from tests.models.nn.batches import CONFIG, World, member_side, shapes

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


def test_without_sync_the_other_rows_ask_for_the_unknown_node() -> None:
    queried: list[list[int]] = []

    def spy(index: Tensor, time: Tensor) -> Tensor:
        queried.append(index.tolist())
        return content(index, time)

    chosen = torch.tensor([True, False, True, False])
    fill_without_sync(torch.zeros(4, 3), chosen, torch.tensor([3, 9_999, 0, 7]), torch.arange(4), spy)
    assert queried == [[3, -1, 0, -1]]


def test_on_a_cpu_only_rows_that_are_seen_are_computed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    graph, encoded, ranker = world
    rows = graph.seeds.rows("test")[:8]
    _, activities = member_side(graph, rows)
    monkeypatch.setattr(activity, "fill_without_sync", None)  # a call would fail
    assert ranker.activity_tokens(encoded, activities, graph.seeds.time[rows]).shape == (8, 5, 8)


@pytest.mark.parametrize(
    ("fan_out", "around"), [((3, 2), [(3,)]), ((1,), [(1,)]), ((0, 2), []), ((), [])], ids=lambda given: str(given)
)
def test_the_neighbors_are_the_first_hop_of_the_intrinsic_edges(
    world: World, fan_out: tuple[int, ...], around: list[tuple[int, ...]]
) -> None:
    """Of the edges that leave an item only ``rev_authored`` is intrinsic; ``authored`` leaves a creator."""
    edges = tuple(
        replace(edge, fan_out=fan_out) if edge.name == "rev_authored" else edge for edge in world.graph.schema.edges
    )
    encoder = ActivityEncoder(CONFIG, replace(world.graph.schema, edges=edges), world.ranker.encoding)
    assert [edge.name for edge in encoder.around.edges] == ["rev_authored"] * len(around)
    assert [edge.fan_out for edge in encoder.around.edges] == around


def test_actions_have_a_row_each_and_attributes_add_no_bias(world: World) -> None:
    schema, encoding = world.graph.schema, world.ranker.encoding
    found = shapes(ActivityEncoder(CONFIG, schema, encoding))
    assert found["action.weight"] == (2, 8)
    assert found["said.weight"] == (8, 8)
    assert "said.bias" not in found
    assert "of_type" not in found
    none = shapes(ActivityEncoder(CONFIG, schema, replace(encoding, activity_edges=())))
    assert none["action.weight"] == (1, 8)
    assert "said.weight" not in none


def test_activities_may_be_on_nodes_that_the_training_graph_did_not_have(world: World) -> None:
    """Days after the training: a member has acted on an item that is newer than the model."""
    newer = fake_graph(members=40, items=200)
    assert newer.schema.node("item").count > world.graph.schema.node("item").count
    encoded = encode_graph(world.ranker.encoding, world.graph.schema, newer)
    rows = newer.seeds.rows("test")
    _, activities = member_side(newer, rows)
    assert int(activities.target.max()) >= world.graph.schema.node("item").count
    tokens = world.ranker.activity_tokens(encoded, activities, newer.seeds.time[rows])
    assert tokens.isfinite().all()
