"""A label is an edge once its outcome has settled: no tree holds one that settled at or after the seed's time."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.graph import timeline
from models.graph.build import build_graph
from models.graph.sample import Sampler
from models.graph.store import TemporalGraph
from tests.models.graph.product import HOUR, START, shown, spec, write_product

OUTCOMES = st.lists(
    st.tuples(st.sampled_from([1, 2]), st.sampled_from(["a", "b"]), st.integers(40, 60), st.integers(1, 6)),
    min_size=1,
    max_size=12,
)
"""Member, item, hour of the exposure, hours until it settled; whole hours, so that what settles often ties."""


def clicks(outcomes: list[tuple[int, str, int, int]]) -> tuple[TemporalGraph, list[dict]]:
    """A graph of these impressions, all clicked."""
    rows = [
        shown(key, member, item, hour, 1, settled_time=START + (hour + wait) * HOUR)
        for key, (member, item, hour, wait) in enumerate(outcomes)
    ]
    with TemporaryDirectory() as folder:
        tables, training_set = write_product(Path(folder), {"impressions": rows})
        build_graph(spec(), tables, training_set, Path(folder) / "graph")
        return TemporalGraph.load(Path(folder) / "graph"), rows


def check_labels(outcomes: list[tuple[int, str, int, int]]) -> None:
    graph, rows = clicks(outcomes)
    seeds, members, items = graph.seeds, graph.keys("member").to_pylist(), graph.keys("item").to_pylist()
    branch = Sampler(graph).tree("member", seeds.member, seeds.time).branches["clicked"]
    for seed, (member, time) in enumerate(zip(seeds.member.tolist(), seeds.time.tolist(), strict=True)):
        found = {
            (items[item], moment)
            for item, moment, there in zip(
                branch.index[seed].tolist(), branch.edge_time[seed].tolist(), branch.mask[seed].tolist(), strict=True
            )
            if there
        }
        known = {
            (row["item_id"], row["settled_time"])
            for row in rows
            if row["member_id"] == members[member] and row["settled_time"] < time
        }
        assert found <= known
        assert len(found) == min(len(known), 3)  # the fan-out
    activities = Sampler(graph).activities(seeds.member, seeds.time, 5)
    assert bool((activities.time < seeds.time.unsqueeze(1))[activities.mask].all())


@given(OUTCOMES)
@settings(max_examples=25, deadline=None)
def test_only_settled_outcomes_are_seen(outcomes: list[tuple[int, str, int, int]]) -> None:
    check_labels(outcomes)


def test_an_outcome_of_the_very_moment_would_be_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = [(1, "a", 50, 2), (1, "b", 52, 1)]
    check_labels(outcomes)
    monkeypatch.setattr(timeline, "is_before", lambda moment, time: moment <= time)
    with pytest.raises(AssertionError):
        check_labels(outcomes)


def test_the_label_itself_is_on_the_seed() -> None:
    graph, _ = clicks([(1, "a", 50, 2)])
    assert torch.equal(graph.seeds.labels[:, 0], torch.ones(1))
