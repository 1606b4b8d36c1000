from dataclasses import replace

import pytest
import torch
from torch import Tensor

from models.graph.errors import QueryError
from models.graph.fakes import HOUR, fake_graph
from models.graph.impressions import FIRST_EDGE, OUTCOME, SHOWN, Engagements, Impressions
from models.graph.schema import SampledTask
from models.graph.store import TemporalGraph
from models.graph.tensors import Seeds, tensors_of
from models.graph.tree import Activities

ALL: tuple[Engagements, ...] = ("none", "outside", "all")
MANY = 200


def queries(graph: TemporalGraph, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Members, unknown ones too, at whole hours: many are the very time of a token."""
    dice = torch.Generator().manual_seed(seed)
    spans = graph.schema.seeds.windows
    hours = (spans[-1].end - spans[0].start) // HOUR
    time = spans[0].start + torch.randint(0, hours, (300,), generator=dice) * HOUR
    return torch.randint(-1, graph.schema.node("member").count, (300,), generator=dice), time


def expected(graph: TemporalGraph, engagements: Engagements, member: int, time: int) -> list[tuple[int, ...]]:
    """(time, kind, row, target) of each token strictly before ``time``, by a plain loop."""
    seeds, found = graph.seeds, []
    for row in range(len(seeds)):
        if member < 0 or seeds.member[row] != member or seeds.cold[row]:
            continue
        for kind, moment in ((SHOWN, seeds.time[row]), (OUTCOME, seeds.settled[row])):
            found.append((int(moment), kind, row, int(seeds.item[row])))
    begin, end = graph.schema.window("train").start, graph.schema.window("test").end
    for place, name in enumerate(graph.schema.activity_edges):
        edges = graph.edges[name]
        own = range(*edges.offsets[member : member + 2].tolist()) if member >= 0 else range(0)
        for row in own:
            if engagements == "all" or (engagements == "outside" and not begin <= edges.time[row] < end):
                found.append((int(edges.time[row]), FIRST_EDGE + place, row, int(edges.target[row])))
    return sorted(token for token in found if token[0] < time)


def tokens(activities: Activities, row: int) -> list[tuple[int, ...]]:
    kept = activities.mask[row]
    columns = (activities.time, activities.edge, activities.row, activities.target)
    return list(zip(*(column[row][kept].tolist() for column in columns), strict=True))


@pytest.mark.parametrize("engagements", ALL)
def test_the_tokens_are_the_last_ones_strictly_before_the_time(engagements: Engagements) -> None:
    graph = fake_graph(members=6, items=8, impressions=120)
    member, time = queries(graph)
    found = Impressions(graph, engagements).activities(member, time, 7)
    for row in range(len(member)):
        assert tokens(found, row) == expected(graph, engagements, int(member[row]), int(time[row]))[-7:]


@pytest.mark.parametrize("engagements", ALL)
def test_no_unsettled_outcome_is_visible(engagements: Engagements) -> None:
    graph = fake_graph(members=6, items=8, impressions=300)
    member, time = queries(graph)
    found = Impressions(graph, engagements).activities(member, time, MANY)
    settled = graph.seeds.settled[found.row.clamp(max=len(graph.seeds) - 1)]
    outcome = found.mask & (found.edge == OUTCOME)
    assert outcome.sum() > 1000
    assert (settled < time.unsqueeze(1))[outcome].all()
    assert (found.time < time.unsqueeze(1))[found.mask].all()


@pytest.mark.parametrize("engagements", ALL)
def test_a_log_that_ends_earlier_changes_nothing_before_its_end(engagements: Engagements) -> None:
    graph = fake_graph(members=6, items=8, impressions=200)
    cut = graph.schema.window("validate").start
    kept = graph.seeds.time < cut
    columns = {name: value[kept] for name, value in tensors_of(graph.seeds).items()}
    shorter = replace(graph, seeds=replace(graph.seeds, **columns, keys=graph.seeds.keys.filter(kept.numpy())))
    # What settled after the cut was open when the shorter log ended: another outcome must not show before it.
    later = shorter.seeds.settled >= cut
    shorter.seeds.labels[later] = 1 - shorter.seeds.labels[later]
    member, time = queries(graph)
    time = time.clamp(max=cut)
    one, other = (Impressions(each, engagements).activities(member, time, MANY) for each in (graph, shorter))
    for row in range(len(member)):
        assert tokens(one, row) == tokens(other, row)
    outcome = other.mask & (other.edge == OUTCOME)
    assert not later[other.row[outcome]].any()


def test_twins_sampled_negatives_and_unknown_members_have_no_tokens() -> None:
    graph = fake_graph(members=6, items=8, impressions=200)
    seeds = graph.seeds
    assert count(replace(graph, seeds=replace(seeds, cold=~seeds.cold))) == 0
    assert count(replace(graph, seeds=replace(seeds, member=torch.full_like(seeds.member, -1)))) == 0
    sampled = replace(graph.schema.seeds, sampled=(SampledTask("click", None),))
    positives = int((seeds.labels[:, 0] == 1).sum())
    assert 0 < positives < len(seeds)
    assert count(replace(graph, schema=replace(graph.schema, seeds=sampled))) == 2 * positives


def test_a_graph_without_any_token_and_a_count_of_none() -> None:
    graph = fake_graph(members=3, items=3)
    empty: Seeds = replace(
        graph.seeds, **{k: v[:0] for k, v in tensors_of(graph.seeds).items()}, keys=graph.seeds.keys[:0]
    )
    impressions = Impressions(replace(graph, seeds=empty), "none")
    found = impressions.activities(*queries(graph), 3)
    assert found.mask.shape == (300, 3)
    assert not found.mask.any()
    with pytest.raises(QueryError, match="expected a count of 1 or more; found 0"):
        impressions.activities(*queries(graph), 0)


def count(graph: TemporalGraph) -> int:
    return len(Impressions(graph, "none").time)
