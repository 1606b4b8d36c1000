"""Held-out members look as if they had never been seen, and all others stay as they are."""

from dataclasses import replace

import torch

from benchmarks.studies.changes import WithoutMemberTwins
from benchmarks.studies.cold_members import ColdMembers
from benchmarks.studies.counted import Counted, Exposures
from models.graph.check import check
from models.graph.fakes import fake_graph
from models.graph.schema import BEHAVIOR, REVERSE
from models.graph.store import TemporalGraph

# The fake graph's numbers are random: here the member's rate stands for a context column that counts its impressions.
COLD = ColdMembers(share=0.3, counted=Counted(context=(Exposures("member_rate", ("member",), "times_log"),)))


def whole(graph: TemporalGraph) -> None:
    """Raises where a change left tensors that do not fit each other."""
    check(graph.schema, graph.nodes, graph.edges, graph.seeds, graph.node_keys)


def test_cold_members_were_never_met() -> None:
    graph = fake_graph()
    found, cold = COLD(graph), COLD.cold(graph)
    whole(found)
    assert 0 < int(cold.sum()) < len(cold) / 2
    for edge in graph.schema.edges:
        own, before = found.edges[edge.name], graph.edges[edge.name]
        if edge.kind in BEHAVIOR and edge.source == "member":
            assert not own.offsets.diff()[cold].any()
            assert torch.equal(own.offsets.diff()[~cold], before.offsets.diff()[~cold])
            assert not cold[found.edges[REVERSE + edge.name].target.long()].any()
        elif edge.kind not in BEHAVIOR:
            assert len(own.time) == len(before.time)
    rows = COLD.rows(found)
    assert (found.seeds.window[rows] == graph.seeds.windows.index("test")).all()
    assert len(found.seeds.rows("test")) == len(graph.seeds.rows("test"))
    assert len(found.seeds.numbers[rows][:, 0].nan_to_num(-1).unique()) == 1  # all look as at a first impression
    gone = COLD.rows(graph) & (graph.seeds.time < graph.schema.window("test").start)
    for name in ("numbers", "frozen_numbers", "categories", "labels"):
        before = getattr(graph.seeds, name)[~gone & ~COLD.rows(graph)]
        torch.testing.assert_close(getattr(found.seeds, name)[~rows], before, equal_nan=True)


def test_they_keep_their_first_version_under_an_id_that_no_model_has_met() -> None:
    graph = fake_graph()
    found, cold = replace(COLD, history="connections")(graph), COLD.cold(graph)
    before, after = graph.nodes["member"], found.nodes["member"]
    count = before.version_offsets.diff()
    assert (count[cold] > 1).any()  # else there would be nothing to forget
    assert torch.equal(after.version_offsets.diff(), torch.where(cold, count.clamp(max=1), count))
    some = torch.nonzero(cold & (count > 0)).flatten()
    first, kept = before.version_offsets[some], after.version_offsets[some]
    torch.testing.assert_close(after.numbers[kept, 0], before.numbers[first, 0], equal_nan=True)
    assert after.numbers[kept, 1].isnan().all()
    buckets = graph.schema.node("member").id_buckets
    assert not torch.isin(after.id_hash[cold] % buckets, after.id_hash[~cold] % buckets).any()
    assert torch.equal(after.id_hash[~cold], before.id_hash[~cold])


def test_nothing_knows_members_before_their_first_vectors() -> None:
    graph = fake_graph()
    found = replace(COLD, known=False, missing=("item_rate",))(graph)
    whole(found)
    rows = COLD.rows(graph)[graph.seeds.rows("test")]
    test = found.seeds.rows("test")
    assert (found.seeds.member[test[rows]] == -1).all()
    assert torch.equal(found.seeds.member[test[~rows]], graph.seeds.member[graph.seeds.rows("test")[~rows]])
    assert found.seeds.numbers[test[rows], 1].isnan().all()


def test_twins_of_members_are_left_out() -> None:
    graph = fake_graph()
    twins = torch.arange(len(graph.seeds)) % 3 == 1
    members = twins & (torch.arange(len(graph.seeds)) % 2 == 1)
    graph = replace(graph, seeds=replace(graph.seeds, cold=twins, cold_member=members))
    left = WithoutMemberTwins()(graph).seeds
    assert left.keys.to_pylist() == graph.seeds.keys.filter((~members).numpy().tolist()).to_pylist()
    assert left.cold.sum() == (twins & ~members).sum()
    kept = COLD(graph).seeds.cold_member
    assert kept is not None
    assert kept.any()
    assert not replace(COLD, twins="items")(graph).seeds.cold_member.any()
    assert replace(COLD, twins="items")(graph).seeds.cold.any()
    assert not replace(COLD, twins="none")(graph).seeds.cold.any()


def test_no_member_held_out_changes_nothing() -> None:
    graph = fake_graph()
    found = replace(COLD, share=0.0)(graph)
    assert all(torch.equal(found.edges[name].time, graph.edges[name].time) for name in graph.edges)
    assert found.seeds.keys.equals(graph.seeds.keys)
