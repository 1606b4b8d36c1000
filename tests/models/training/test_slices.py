from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from models import metrics
from models.graph.fakes import fake_graph
from models.graph.sample import Sampler
from models.graph.store import TemporalGraph
from models.graph.tree import Branch
from models.nn.aggregation import walk
from models.nn.encoded import encode_graph
from models.nn.encoding import Encoding
from models.time_units import HOUR
from models.training.batches import FRESH, FROZEN, STALE, Batch, Batches, draw_member_states
from models.training.slices import Slices, cut, one_each
from tests.models.training.small import small_graph


def batches(graph: TemporalGraph) -> Batches:
    """Times fall on whole hours: many seeds and edges have the same time."""
    encoding = Encoding.fit(small_graph(), small_graph().schema.window("train").end)
    return Batches(encode_graph(encoding, graph.schema, graph), activities=5)


def all_slices(rows: Tensor, size: int, hours: float) -> Slices:
    return cut(rows, small_graph().seeds.member[rows], small_graph().seeds.time[rows], size, hours)


def by_hand(rows: list[int], size: int, hours: float) -> list[list[int]]:
    seeds, found = small_graph().seeds, list[list[int]]()
    for row in sorted(rows, key=lambda row: (int(seeds.member[row]), int(seeds.time[row]), row)):
        last = found[-1] if found else []
        same = bool(last) and seeds.member[last[0]] == seeds.member[row] and seeds.member[row] >= 0
        if same and len(last) < size and seeds.time[row] - seeds.time[last[0]] <= hours * HOUR:
            last.append(row)
        else:
            found.append([row])
    return found


def as_lists(slices: Slices) -> list[list[int]]:
    return [part.tolist() for part in slices.rows.split(slices.offsets.diff().tolist())]


CHOSEN = st.deferred(lambda: st.lists(st.integers(0, len(small_graph().seeds) - 1), unique=True, max_size=80))


@settings(max_examples=60, deadline=None)
@given(CHOSEN, st.integers(2, 5), st.sampled_from([0.0, 1.0, 30.0, 1e300]))
def test_slices_are_runs_of_one_member_bounded_in_number_and_time(rows: list[int], size: int, hours: float) -> None:
    slices = all_slices(torch.tensor(rows, dtype=torch.int64), size, hours)
    assert as_lists(slices) == by_hand(rows, size, hours)
    order = torch.randperm(len(slices))
    taken = slices.take(order)
    assert as_lists(taken) == [as_lists(slices)[place] for place in order.tolist()]
    for runs in (taken.batches(7), taken.parts(3)):
        assert [one for run in runs for one in as_lists(run)] == as_lists(taken)
    assert len(taken.parts(3)) == 3


@pytest.mark.parametrize("size", [2, 3])
def test_a_slice_is_full_at_its_size(size: int) -> None:
    rows = small_graph().seeds.rows("train")
    slices = as_lists(all_slices(rows, size, hours=1e300))
    assert slices == by_hand(rows.tolist(), size, hours=1e300)
    assert max(map(len, slices)) == size


@pytest.mark.parametrize(("apart", "slices"), [(HOUR - 1, 1), (HOUR, 1), (HOUR + 1, 2)])
def test_a_slice_is_at_most_its_hours_long(apart: int, slices: int) -> None:
    assert len(cut(torch.arange(2), torch.zeros(2), torch.tensor([5, 5 + apart]), 2, 1.0)) == slices


def test_slices_of_one_keep_the_order_given() -> None:
    rows, time = torch.tensor([3, 1, 2]), torch.tensor([9, 8, 7])
    assert as_lists(cut(rows, torch.zeros(3), time, 1, 24.0)) == [[3], [1], [2]]
    assert as_lists(cut(rows, torch.zeros(3), time, 2, 24.0)) == [[2, 1], [3]]
    assert as_lists(cut(rows, torch.tensor([0, 1, -1]), time, 2, 24.0)) == [[2], [3], [1]]


def test_unknown_members_share_no_state() -> None:
    rows, unknown = torch.arange(6), torch.full((6,), -1)
    assert len(cut(rows, unknown, torch.zeros(6, dtype=torch.int64), 4, 24.0)) == 6


def test_without_slices_batches_are_cut_in_order() -> None:
    rows = torch.randperm(10)
    assert [run.rows.tolist() for run in one_each(rows).batches(4)] == [part.tolist() for part in rows.split(4)]
    assert one_each(rows[:0]).batches(4) == []


@settings(max_examples=40, deadline=None)
@given(CHOSEN.filter(len), st.integers(1, 5))
def test_a_shared_state_is_strictly_before_every_seed_of_its_slice(rows: list[int], size: int) -> None:
    slices = all_slices(torch.tensor(rows), size, 48.0)
    check_states(small_graph(), slices)


def check_states(graph: TemporalGraph, slices: Slices) -> None:
    """Each slice's tree is its earliest seed's own; what it holds is older than each of its seeds."""
    batch, seeds = batches(graph).make(slices), graph.seeds
    own = Sampler(graph).tree("member", seeds.member[slices.first], seeds.time[slices.first])
    # A branch's parents at depth d are (S * places): their slice is the parent's number over the places per slice.
    for (name, found), (same, expected) in zip(walk(batch.member.branches), walk(own.branches), strict=True):
        assert name == same
        assert all(torch.equal(a, b) for a, b in zip(contents(found), contents(expected), strict=True))
        per_slice = found.index.numel() // len(slices)
        moments, visible = found.edge_time.view(-1, per_slice), found.mask.view(-1, per_slice)
        assert (moments[slices.of] < seeds.time[slices.rows].unsqueeze(1))[visible[slices.of]].all()
    assert (batch.member_time[slices.of] <= seeds.time[slices.rows]).all()
    assert (batch.state_age >= 0).all()
    moments, visible = batch.activities.time[slices.of], batch.activities.mask[slices.of]
    assert (moments < seeds.time[slices.rows].unsqueeze(1))[visible].all()
    assert (batch.age[visible] > 0).all()


def contents(branch: Branch) -> tuple[Tensor, ...]:
    return branch.index, branch.mask, branch.edge_time, branch.weight, branch.time


def states(batch: Batch) -> list[Tensor]:
    found = [tensor for _, branch in walk(batch.member.branches) for tensor in contents(branch)]
    return [*found, batch.activities.target, batch.activities.time, batch.activities.mask, batch.member_time]


def test_what_happens_after_the_earliest_seed_reaches_no_seed_of_the_slice() -> None:
    """Neither what happened nor HOW MUCH of it: places of a full tree must not give way to later edges."""
    rows = small_graph().seeds.rows("train")
    slices = all_slices(rows, 4, 48.0)
    longest = int(slices.offsets.diff().argmax())
    slices = slices.take(torch.tensor([longest]))
    start = int(small_graph().seeds.time[slices.first])
    edges = {}
    for name, edge in small_graph().edges.items():
        owner, kept = torch.repeat_interleave(edge.offsets.diff()), edge.time < start
        offsets = torch.bincount(owner[kept], minlength=len(edge.offsets) - 1).cumsum(0)
        offsets = torch.cat([offsets.new_zeros(1), offsets])
        edges[name] = replace(
            edge, offsets=offsets, target=edge.target[kept], time=edge.time[kept], weight=edge.weight[kept]
        )
    before = replace(small_graph(), edges=edges)
    assert sum(len(edge.time) for edge in edges.values()) < sum(len(edge.time) for edge in small_graph().edges.values())
    whole, past = states(batches(small_graph()).make(slices)), states(batches(before).make(slices))
    assert all(torch.equal(a, b) for a, b in zip(whole, past, strict=True))


def test_equal_times_taken_for_earlier_ones_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: with <= in place of < the property above does not hold."""
    monkeypatch.setattr("models.graph.timeline.is_before", lambda moment, time: moment <= time)
    with pytest.raises(AssertionError):
        check_states(small_graph(), all_slices(small_graph().seeds.rows("train"), 4, 48.0))


def test_a_slice_has_one_member_state_and_every_seed_its_own_item() -> None:
    rows = small_graph().seeds.rows("train")
    slices = all_slices(rows, 4, 48.0)
    batch, alone = batches(small_graph()).make(slices), batches(small_graph()).make(one_each(slices.rows))
    assert len(batch.member.index) == len(slices) < len(rows) == len(batch.item.index)
    for name in ("numbers", "categories", "surface", "hour", "weekday", "labels"):
        assert torch.equal(getattr(batch, name).nan_to_num(), getattr(alone, name).nan_to_num())
    assert torch.equal(batch.item.index, alone.item.index)
    assert torch.equal(batch.item.time, alone.item.time)
    late = batches(small_graph()).make(slices, lag=HOUR)
    assert torch.equal(late.member_time, batch.member_time - HOUR)
    torch.testing.assert_close(late.state_age, batch.state_age + 3600)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 5), st.integers(0, 2**16))
def test_each_slice_sees_its_member_in_the_state_drawn_for_it(size: int, seed: int) -> None:
    """Fresh: as of its earliest seed. Stale: as of that seed's earlier moment. Frozen: the counters as well."""
    rows, seeds = small_graph().seeds.rows("train"), small_graph().seeds
    slices = all_slices(rows, size, 48.0)
    drawn = draw_member_states(len(slices), "mixed", torch.device("cpu"), torch.Generator().manual_seed(seed))
    assert set(drawn.tolist()) == {FRESH, STALE, FROZEN}
    makes = batches(small_graph())
    mixed = makes.make(slices, drawn)
    of_state = {state: makes.make(slices, torch.full_like(drawn, state)) for state in (FRESH, STALE, FROZEN)}
    for state, alone in of_state.items():
        own, own_rows = drawn == state, (drawn == state)[slices.of]
        assert torch.equal(mixed.member_time[own], alone.member_time[own])
        assert torch.equal(mixed.activities.time[own], alone.activities.time[own])
        assert torch.equal(mixed.state_age[own_rows], alone.state_age[own_rows])
        assert torch.equal(mixed.numbers[own_rows], alone.numbers[own_rows])
    assert torch.equal(of_state[FRESH].member_time, seeds.time[slices.first])
    for state in (STALE, FROZEN):
        assert torch.equal(of_state[state].member_time, seeds.frozen_time[slices.first])
        assert (of_state[state].member_time < seeds.time[slices.first]).all()
    assert torch.equal(of_state[FRESH].numbers, of_state[STALE].numbers)
    assert (of_state[FRESH].numbers != of_state[FROZEN].numbers).any(dim=2).float().mean() > 0.9


def test_masking_a_state_of_the_latest_seed_would_tell_the_outcome() -> None:
    """Why a slice is read as of its earliest seed: the number of masked places would predict the click."""
    graph = fake_graph(members=200, items=60, impressions=12_000)
    seeds, rows = graph.seeds, graph.seeds.rows("train")
    slices = cut(rows, seeds.member[rows], seeds.time[rows], size=4, hours=48.0)
    latest = slices.rows[slices.offsets[1:] - 1]
    tree = Sampler(graph, hops=1).tree("member", seeds.member[latest], seeds.time[latest])
    edge_time = tree.branches["clicked"].edge_time[slices.of]
    masked = (edge_time >= seeds.time[slices.rows].unsqueeze(1)).sum(dim=1)
    earlier = slices.rows != latest[slices.of]
    labels = seeds.labels[slices.rows, 0][earlier].numpy()
    assert metrics.auc(labels, masked[earlier].numpy().astype(float)) > 0.6
