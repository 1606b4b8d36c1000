"""The checks of a graph, at the exact limits: what is legal passes, one step further is refused."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pyarrow as pa
import pytest
import torch
from torch import Tensor

from models.graph import check as module
from models.graph.check import check
from models.graph.errors import GraphFormatError
from models.graph.fakes import fake_graph
from models.graph.schema import PageRank, WindowSpan
from models.graph.store import TemporalGraph
from models.graph.tensors import EdgeTensors, without_attributes
from models.time_units import DAY

MOST = 2**62
fake = cache(lambda: fake_graph(members=5, items=6))
"""Shared: read only."""


def checked(graph: TemporalGraph) -> None:
    check(graph.schema, graph.nodes, graph.edges, graph.seeds, graph.node_keys)


def put(tensor: Tensor, place: int | tuple[int, int], value: float) -> Tensor:
    """A copy with one value replaced."""
    changed = tensor.clone()
    changed[place] = value
    return changed


def edge_type(**change: Any) -> TemporalGraph:
    """Fields of an edge type and its reverse changed."""
    schema = fake().schema
    return replace(fake(), schema=replace(schema, edges=tuple(replace(edge, **change) for edge in schema.edges)))


def seed_schema(**change: Any) -> TemporalGraph:
    schema = fake().schema
    return replace(fake(), schema=replace(schema, seeds=replace(schema.seeds, **change)))


def rank(**change: Any) -> TemporalGraph:
    good = PageRank("near", "member", "item", ("clicked",), fan_out=2, method="walk")
    return replace(fake(), schema=replace(fake().schema, pageranks=(replace(good, **change),)))


def node(name: str, **change: Callable[[Tensor], Tensor]) -> TemporalGraph:
    old = fake().nodes[name]
    fields = {field: how(getattr(old, field)) for field, how in change.items()}
    return replace(fake(), nodes={**fake().nodes, name: replace(old, **fields)})


def edge(name: str, **change: Callable[[Tensor], Tensor]) -> TemporalGraph:
    old = fake().edges[name]
    fields = {field: how(getattr(old, field)) for field, how in change.items()}
    return replace(fake(), edges={**fake().edges, name: replace(old, **fields)})


def seeds(**change: Callable[[Any], Any]) -> TemporalGraph:
    old = fake().seeds
    fields = {field: how(getattr(old, field)) for field, how in change.items()}
    return replace(fake(), seeds=replace(old, **fields))


def at_bound(bound: str, by: int = 0) -> TemporalGraph:
    """The first or last seed of the validation window, and what depends on its time, at that bound of the window."""
    rows = fake().seeds.rows("validate").tolist()
    row = rows[0] if bound == "start" else rows[-1]
    moment = getattr(fake().schema.window("validate"), bound) + by
    return seeds(**dict.fromkeys(("time", "settled", "frozen_time"), lambda t: put(t, row, moment)))


def spans(*bounds: tuple[int, int]) -> TemporalGraph:
    """The first windows moved to these bounds, which hold no seeds; the others stay."""
    windows = list(fake().schema.seeds.windows)
    for place, (start, end) in enumerate(bounds):
        windows[place] = WindowSpan(windows[place].name, start, end)
    return seed_schema(windows=tuple(windows))


def tasks(weight: float) -> TemporalGraph:
    first, second = fake().schema.seeds.tasks
    return seed_schema(tasks=(first, replace(second, weight=weight)))


START = fake().schema.seeds.windows[0].start


@pytest.mark.parametrize(
    "graph",
    [
        fake(),
        edge_type(fan_out=()),
        edge_type(fan_out=(0,)),
        edge_type(window=0),
        edge_type(window=MOST),
        *(rank(**{name: 1}) for name in ("walks", "steps", "fan_out")),
        rank(restart=0.999, epsilon=1e-9),
        spans((-MOST, START)),
        spans((START, START)),
        seed_schema(timezone_offset=-DAY),
        seed_schema(timezone_offset=DAY),
        tasks(0.0),
        node("item", id_hash=lambda t: put(t, 0, 0)),
        edge("clicked", weight=lambda t: put(t, 0, 0.0)),
        edge("clicked", time=lambda t: put(t, 0, -MOST + 1)),
        seeds(settled=lambda t: fake().seeds.time),
        seeds(settled=lambda t: put(t, -1, MOST - 1)),
        seeds(frozen_time=lambda t: fake().seeds.time),
        seeds(frozen_time=lambda t: put(t, 0, -MOST + 1)),
        at_bound("start"),
        at_bound("end", -1),
    ],
)
def test_what_is_at_a_limit_is_legal(graph: TemporalGraph) -> None:
    checked(graph)


WHOLE_RANGE = rf"from {-MOST + 1} to {MOST - 1}; found"


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (edge_type(fan_out=(-1,)), "fan-outs of 0 or more"),
        (edge_type(window=MOST + 1), r"a window of 0 or more, to 2\^62; found something else"),
        (edge_type(window=True), "a window of 0 or more"),
        (tasks(-0.5), "task 'dwell': expected a finite weight of 0 or more; found -0.5"),
        (tasks(float("inf")), "task 'dwell': expected a finite weight of 0 or more; found inf"),
        (spans((-MOST - 1, START)), "window 'graph': expected moments within"),
        (spans((START, START - 1)), "window 'graph': expected an end not before its start"),
        (seed_schema(timezone_offset=DAY + 1), "timezone_offset: expected microseconds within a day"),
        (node("item", id_hash=lambda t: put(t, 0, -1)), "node 'item': expected id hashes of 0 or more"),
        (node("item", categories=lambda t: t.int()), "node 'item': expected categories of type torch.int64; found"),
        (node("item", version_offsets=lambda t: t[1:]), "node 'item': expected offsets of shape"),
        (node("item", version_time=lambda t: t.flip(0)), "node 'item': expected times that ascend in each node"),
        (edge("clicked", weight=lambda t: put(t, 0, -0.25)), "weights that are finite and not negative"),
        (edge("clicked", weight=lambda t: put(t, 0, float("inf"))), "weights that are finite and not negative"),
        (edge("clicked", time=lambda t: put(t, 0, -MOST)), f"edge 'clicked': expected times {WHOLE_RANGE} {-MOST} to"),
        (edge("clicked", offsets=lambda t: put(t, 2, int(t[1]) - 1)), "edge 'clicked': expected ascending offsets"),
        (seeds(surface=lambda t: t.int()), "seeds: expected surface of type torch.int64; found torch.int32"),
        (seeds(keys=lambda keys: keys[1:]), "seeds: expected keys of length"),
        (seeds(item=lambda t: put(t, 0, -2)), "seeds: expected item from -1 to 5; found -2 to"),
        (seeds(member=lambda t: put(t, 0, -2)), "seeds: expected member from -1 to 4; found -2 to"),
        (seeds(surface=lambda t: put(t, 0, -1)), "seeds: expected surface from 0 to 1; found -1 to 1"),
        (seeds(settled=lambda t: put(t, 0, MOST)), f"seeds: expected settled {WHOLE_RANGE} .* to {MOST}$"),
        (seeds(frozen_time=lambda t: put(t, 0, -MOST)), f"seeds: expected frozen_time {WHOLE_RANGE} {-MOST} to"),
        (at_bound("start", -1), "expected times within the seed's window"),
        (at_bound("end"), "expected times within the seed's window"),
    ],
)
def test_one_step_beyond_a_limit_is_refused(graph: TemporalGraph, message: str) -> None:
    with pytest.raises(GraphFormatError, match=message):
        checked(graph)


def test_seeds_must_not_go_back_by_one_microsecond() -> None:
    tie = int((fake().seeds.time.diff() == 0).nonzero()[0]) + 1
    with pytest.raises(GraphFormatError, match="seeds: expected ascending times"):
        checked(seeds(time=lambda t: put(t, tie, int(t[tie]) - 1)))


def test_the_first_wrong_seed_is_named_and_the_others_are_counted() -> None:
    labels = put(put(put(fake().seeds.labels, (3, 1), 0.5), (7, 0), 2.0), (9, 1), 3.0)
    with pytest.raises(GraphFormatError, match=r"found 0.5 at seed 3 and 2 more$"):
        checked(seeds(labels=lambda _: labels))


@pytest.mark.parametrize("piece", [1, 2, 3, 1 << 24])
def test_times_ascend_within_each_owner_across_all_pieces(piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Six edges of two owners: a step back by one is legal where the second owner begins and nowhere else."""
    monkeypatch.setattr(module, "_PIECE", piece)
    few = fake_graph(members=2, items=6)
    offsets, time, nothing = torch.tensor([0, 3, 6]), torch.tensor([5, 5, 5, 4, 4, 4]), torch.zeros(0)
    count = few.schema.node("item").count

    def with_times(time: Tensor) -> TemporalGraph:
        target = torch.arange(6, dtype=torch.int32) % count
        edges = EdgeTensors(offsets, target, time, nothing, *without_attributes(time))
        return replace(few, edges={**few.edges, "liked": edges})

    checked(with_times(time))
    for place in (1, 2, 4, 5):
        with pytest.raises(GraphFormatError, match="edge 'liked': expected times that ascend in each node"):
            checked(with_times(torch.where(torch.arange(6) >= place, time - 1, time)))


def test_keys_are_counted_for_each_node_type() -> None:
    keys = {**fake().node_keys, "creator": pa.array(["one"])}
    with pytest.raises(GraphFormatError, match="keys of node 'creator': expected length 2; found 1"):
        checked(replace(fake(), node_keys=keys))
