from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.studies.buckets import BUCKETS, bucket_of, earlier_events
from benchmarks.studies.changes import Instead, OneTask, WithIds, WithoutFeatures, WithoutTwins
from benchmarks.studies.cold_items import ColdItems
from benchmarks.studies.counted import Counted, Exposures
from benchmarks.studies.errors import StudyError
from models.graph.check import check
from models.graph.fakes import HOUR, fake_graph
from models.graph.store import TemporalGraph
from models.training.refit import extended

# The fake graph's numbers are random: here the item's rate stands for a context column that counts its impressions.
COLD = ColdItems("creator", share=0.3, counted=Counted(context=(Exposures("item_rate", ("item",), "times_log"),)))


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


def test_features_are_left_out_as_if_there_were_none() -> None:
    graph = fake_graph()
    found = WithoutFeatures("^member|device")(graph)
    whole(found)
    assert [feature.name for feature in found.schema.seeds.features] == ["item_rate"]
    torch.testing.assert_close(found.seeds.numbers, graph.seeds.numbers[:, 1:], equal_nan=True)
    torch.testing.assert_close(found.seeds.frozen_numbers, graph.seeds.frozen_numbers[:, 1:], equal_nan=True)
    assert found.seeds.categories.shape == (len(graph.seeds), 0)
    with pytest.raises(StudyError, match="expected names that contain 'nothing'; found none"):
        WithoutFeatures("nothing")(graph)


def test_twins_are_left_out_and_held_out_items_have_none() -> None:
    graph = fake_graph()
    twins = torch.arange(len(graph.seeds)) % 3 == 1
    with_twins = replace(graph, seeds=replace(graph.seeds, cold=twins))
    found = WithoutTwins()(with_twins)
    assert found.seeds.keys.to_pylist() == graph.seeds.keys.filter((~twins).numpy().tolist()).to_pylist()
    assert not found.seeds.cold.any()
    assert not replace(COLD, twins=False)(with_twins).seeds.cold.any()
    assert COLD(with_twins).seeds.cold.any()


def test_a_node_type_gets_buckets_for_its_ids() -> None:
    graph = fake_graph()
    found = WithIds("item", 512)(graph)
    whole(found)
    assert (found.schema.node("item").id_buckets, found.schema.node("member").id_buckets) == (512, 64)


def test_another_graph_is_validated_on_the_same_days(tmp_path: Path) -> None:
    graph = fake_graph()
    other = WithoutTwins()(fake_graph())
    other.save(tmp_path / "other")
    instead = Instead.of(tmp_path / "other")
    assert instead(graph).schema == graph.schema
    longer = extended(graph, graph.schema.window("validate").end + HOUR)
    assert instead(longer).schema.window("validate") == longer.schema.window("validate")
    assert str(tmp_path) not in str(asdict(instead))  # the same graph elsewhere is the same fit


def test_cold_items_and_their_owners_were_never_met() -> None:
    graph = fake_graph()
    found = COLD(graph)
    whole(found)
    cold, owners = COLD.cold(graph), COLD._owners(graph)
    assert 0 < int(cold.sum()) < len(cold) / 2
    assert not cold[found.edges["clicked"].target.long()].any()
    assert not cold[found.edges["liked"].target.long()].any()
    assert not owners[found.edges["follows"].target.long()].any()
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
    with pytest.raises(StudyError, match=r"joins with 'item' \(creator\); found 'member'"):
        ColdItems("member")(graph)


def test_cold_items_keep_what_they_were_at_first() -> None:
    graph = fake_graph()
    found, cold = COLD(graph), COLD.cold(graph)
    before, after = graph.nodes["item"], found.nodes["item"]
    count = before.version_offsets.diff()
    assert (count[cold] > 1).any()  # else there would be nothing to forget
    assert torch.equal(after.version_offsets.diff(), torch.where(cold, count.clamp(max=1), count))
    some = torch.nonzero(cold & (count > 0)).flatten()
    first, kept = before.version_offsets[some], after.version_offsets[some]
    for values in ("version_time", "numbers", "categories", "vectors"):
        torch.testing.assert_close(getattr(after, values)[kept], getattr(before, values)[first], equal_nan=True)
    item = replace(COLD, history="length|topics")(graph).nodes["item"]
    assert item.numbers[kept].isnan().all()
    assert not item.vectors[kept].any()
    assert not item.numbers[item.version_offsets[:-1][~cold & (count > 0)], 0].isnan().any()


def test_what_a_new_item_does_not_have_is_missing() -> None:
    graph = fake_graph()
    found = replace(COLD, missing=("member_rate",))(graph)
    place = [feature.name for feature in graph.schema.seeds.features if feature.kind == "number"].index("member_rate")
    rows = COLD.rows(found)
    assert rows.any()
    assert found.seeds.numbers[rows][:, place].isnan().all()
    assert found.seeds.frozen_numbers[rows][:, place].isnan().all()
    torch.testing.assert_close(found.seeds.numbers[~rows], COLD(graph).seeds.numbers[~rows], equal_nan=True)


@given(st.integers(0, 20))
@settings(max_examples=8, deadline=None)
def test_no_model_has_met_the_ids_of_cold_items_and_owners(seed: int) -> None:
    """Whatever their IDs were, what a model sees is the same: as candidate, neighbour, or owner."""
    graph = fake_graph(seed=seed)
    found = COLD(graph)
    hashes = {"item": COLD.cold(graph), "creator": COLD._owners(graph)}
    nodes = dict(graph.nodes)
    for name, cold in hashes.items():
        ids, buckets = found.nodes[name].id_hash, graph.schema.node(name).id_buckets
        assert not torch.isin(ids[cold] % buckets, ids[~cold] % buckets).any()
        assert len(ids.unique()) == len(ids)
        assert torch.equal(ids[~cold], graph.nodes[name].id_hash[~cold])
        nodes[name] = replace(nodes[name], id_hash=nodes[name].id_hash + cold * (seed + 1))
    other = COLD(replace(graph, nodes=nodes))
    assert all(torch.equal(other.nodes[name].id_hash, found.nodes[name].id_hash) for name in hashes)


def test_new_ids_need_a_bucket_of_their_own() -> None:
    graph = fake_graph()
    crowded = tuple(replace(node, id_buckets=min(node.id_buckets, 2)) for node in graph.schema.nodes)
    with pytest.raises(StudyError, match="expected a bucket without a node, for new ones; found 2, all taken"):
        COLD(replace(graph, schema=replace(graph.schema, nodes=crowded)))
    without = tuple(replace(node, id_buckets=0) for node in graph.schema.nodes)
    whole(COLD(replace(graph, schema=replace(graph.schema, nodes=without))))


def _gone(graph: TemporalGraph) -> torch.Tensor:
    return COLD.rows(graph) & (graph.seeds.time < graph.schema.window("test").start)


def test_no_member_held_out_changes_no_edge() -> None:
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
