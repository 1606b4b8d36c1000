from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.studies.buckets import BUCKETS, bucket_of, earlier_events
from benchmarks.studies.changes import ColdItems, OneSurface, OneTask
from benchmarks.studies.errors import StudyError
from models.graph.check import check
from models.graph.fakes import HOUR, fake_graph
from models.graph.store import TemporalGraph

COLD = ColdItems("creator", share=0.3, history="length")


def whole(graph: TemporalGraph) -> None:
    """Raises where a change left tensors that do not fit each other."""
    check(graph.schema, graph.nodes, graph.edges, graph.seeds, graph.node_keys)


def test_one_task_is_the_primary_one() -> None:
    graph = fake_graph()
    found = OneTask("dwell")(graph)
    whole(found)
    assert [(task.name, task.primary) for task in found.schema.seeds.tasks] == [("dwell", True)]
    torch.testing.assert_close(found.seeds.labels[:, 0], graph.seeds.labels[:, 1], equal_nan=True)
    with pytest.raises(StudyError, match="expected one of click, dwell; found 'share'"):
        OneTask("share")(graph)


def test_one_surface_knows_nothing_of_the_others() -> None:
    graph = fake_graph()
    found = OneSurface("push", elsewhere="^member")(graph)
    whole(found)
    rows = graph.seeds.surface == graph.schema.seeds.surfaces.index("push")
    assert len(found.seeds) == int(rows.sum())
    assert (found.seeds.time == graph.seeds.time[rows]).all()
    assert found.seeds.keys.to_pylist() == graph.seeds.keys.filter(rows.numpy().tolist()).to_pylist()
    code = graph.schema.edge("clicked").attributes[1].vocabulary.index("push") + 1
    for name in ("clicked", "rev_clicked"):  # their attribute says where they came about
        assert len(found.edges[name].time) == int((graph.edges[name].categories[:, 0] == code).sum()) > 0
    assert not len(found.edges["liked"].time)
    assert not len(found.edges["follows"].time)
    assert len(found.edges["authored"].time) == len(graph.edges["authored"].time)
    assert found.seeds.numbers[:, 0].isnan().all()
    assert not found.seeds.numbers[:, 1].isnan().all()
    named = OneSurface("email")(replace(graph, schema=_domain(graph, "follows", "email")))
    assert len(named.edges["follows"].time) == len(graph.edges["follows"].time)  # by its domain's name
    with pytest.raises(StudyError, match="expected one of email, push; found 'feed'"):
        OneSurface("feed")(graph)


def _domain(graph: TemporalGraph, name: str, domain: str):  # type: ignore[no-untyped-def]
    edges = tuple(replace(edge, domain=domain) if edge.name == name else edge for edge in graph.schema.edges)
    return replace(graph.schema, edges=edges)


def test_cold_items_were_never_met() -> None:
    graph = fake_graph()
    found = COLD(graph)
    whole(found)
    cold = COLD.cold(graph)
    assert 0 < int(cold.sum()) < len(cold) / 2
    assert not cold[found.edges["clicked"].target.long()].any()
    assert not cold[found.edges["liked"].target.long()].any()
    for name in ("rev_clicked", "rev_liked"):
        assert not found.edges[name].offsets.diff()[cold].any()
        assert (found.edges[name].offsets.diff()[~cold] == graph.edges[name].offsets.diff()[~cold]).all()
    assert len(found.edges["authored"].time) == len(graph.edges["authored"].time)  # what they are stays known
    rows = COLD.rows(found)
    assert (found.seeds.window[rows] == graph.seeds.windows.index("test")).all()
    assert len(found.seeds.rows("test")) == len(graph.seeds.rows("test"))
    assert len(found.seeds.numbers[rows][:, 1].nan_to_num(-1).unique()) == 1  # all look as at a first impression
    torch.testing.assert_close(
        found.seeds.numbers[~rows], graph.seeds.numbers[~_gone(graph) & ~COLD.rows(graph)], equal_nan=True
    )
    versions = torch.repeat_interleave(cold, graph.nodes["item"].version_offsets.diff())
    assert found.nodes["item"].numbers[versions].isnan().all()
    with pytest.raises(StudyError, match=r"joins with 'item' \(creator\); found 'member'"):
        ColdItems("member")(graph)


def _gone(graph: TemporalGraph) -> torch.Tensor:
    return COLD.rows(graph) & (graph.seeds.time < graph.schema.window("test").start)


def test_nobody_held_out_changes_no_edge() -> None:
    graph = fake_graph()
    found = ColdItems("creator", share=0.0)(graph)
    assert all((found.edges[name].time == graph.edges[name].time).all() for name in graph.edges)
    assert len(found.seeds) == len(graph.seeds)


@given(st.integers(0, 30), st.integers(0, 200))
@settings(max_examples=15, deadline=None)
def test_events_are_strictly_earlier(seed: int, hours: int) -> None:
    """Times fall on whole hours, so that events at the very moment of an impression abound."""
    graph = fake_graph(members=8, items=9, seed=seed, impressions=150)
    rows = torch.arange(len(graph.seeds))
    since = graph.schema.seeds.windows[0].start + hours * HOUR
    for node, column in (("member", graph.seeds.member), ("item", graph.seeds.item)):
        expected = []
        for index, moment in zip(column.tolist(), graph.seeds.time.tolist(), strict=True):
            count = 0
            for name in ("clicked", "liked"):
                edges = graph.edges[name]
                source = torch.repeat_interleave(edges.offsets.diff())
                end = source if node == "member" else edges.target
                count += int(((end == index) & (edges.time < moment) & (edges.time >= since)).sum())
            expected.append(count)
        assert earlier_events(graph, node, rows, since=since).tolist() == expected


def test_buckets() -> None:
    assert [BUCKETS[place] for place in bucket_of(np.array([0, 1, 9, 10, 29, 30, 99]))] == [
        *("0", "1-9", "1-9", "10-29", "10-29", "30+", "30+")
    ]
    assert len(earlier_events(fake_graph(), "member", torch.empty(0, dtype=torch.int64))) == 0
