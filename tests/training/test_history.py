"""Pre-training: which events it predicts, what it may see, and that an interrupted run ends the same."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models.graph.store import TemporalGraph
from models.nn.encoded import EncodedGraph, encode_graph
from models.nn.encoding import Encoding
from models.training.errors import NoHistoryError
from models.training.history import history_of
from models.training.train import Scope, train
from tests.training.small import MODEL, TRAINING, small_graph


def one_domain() -> TemporalGraph:
    """The fake graph with its two kinds of engagement in one domain."""
    graph = small_graph()
    edges = tuple(replace(edge, domain="feed") for edge in graph.schema.edges)
    return replace(graph, schema=replace(graph.schema, edges=edges))


def encoded(graph: TemporalGraph) -> tuple[EncodedGraph, Encoding]:
    encoding = Encoding.fit(graph, graph.schema.window("train").end)
    return encode_graph(encoding, graph.schema, graph), encoding


def expected(graph: TemporalGraph) -> dict[str, list[tuple[int, int, int]]]:
    """By action: (member, item, time) of what came before the train window, after the member's first of both kinds."""
    start, events = graph.schema.window("train").start, {}
    for name in ("clicked", "liked"):
        edges = graph.edges[name]
        member = torch.repeat_interleave(torch.arange(len(edges.offsets) - 1), edges.offsets.diff())
        rows = zip(member.tolist(), edges.target.tolist(), edges.time.tolist(), strict=True)
        events[name] = [row for row in rows if row[2] < start]
    begun = {
        member: max(min((t for m, _, t in rows if m == member), default=start) for rows in events.values())
        for rows in events.values()
        for member, _, _ in rows
    }
    return {name: sorted(row for row in rows if row[2] > begun[row[0]]) for name, rows in events.items()}


def test_every_event_after_the_first_of_both_actions_is_predicted_once() -> None:
    graph = one_domain()
    events = expected(graph)
    found = history_of(*encoded(graph), count=sum(map(len, events.values())))
    seeds = found.graph.seeds
    assert [task.name for task in found.graph.schema.seeds.tasks] == ["clicked", "liked"]
    assert (seeds.labels.sum(dim=1) == 1).all()
    for place, name in enumerate(("clicked", "liked")):
        own = seeds.labels[:, place] == 1
        found_events = zip(seeds.member[own].tolist(), seeds.item[own].tolist(), seeds.time[own].tolist(), strict=True)
        assert sorted(found_events) == events[name]
        assert events[name]


def test_the_features_of_the_impression_are_missing() -> None:
    graph = one_domain()
    found = history_of(*encoded(graph), count=5)
    scaled = found.impression_numbers
    known = scaled.shape[1] // 2
    assert scaled.shape[0] == 5
    assert scaled[:, :known].eq(0).all()
    assert scaled[:, known:].eq(1).all()
    assert found.surface.eq(-1).all()


def test_actions_alone_in_their_domain_are_refused() -> None:
    with pytest.raises(NoHistoryError, match="expected engagements of members with items before the train window"):
        history_of(*encoded(small_graph()), count=5)


def test_more_events_than_there_are_come_twice_and_the_seed_decides_the_draw() -> None:
    graph = one_domain()
    total = len(history_of(*encoded(graph), count=400).graph.seeds)
    assert total == 400
    one, again, other = (history_of(*encoded(graph), 20, seed).graph.seeds.time.tolist() for seed in (1, 1, 2))
    assert one == again != other


def test_it_changes_the_weights_and_an_interrupted_run_ends_the_same(tmp_path: Path) -> None:
    graph, config = one_domain(), replace(TRAINING, history_events=100, epochs=2)

    def weights(name: str, config: object, **how: object) -> bytes:
        folder = train(graph, MODEL, config, tmp_path / name, scope=Scope(epochs=2), device="cpu", **how)  # type: ignore[arg-type]
        return (folder / "model.safetensors").read_bytes()

    whole = weights("whole", config)
    assert whole != weights("without", replace(config, history_events=0))

    def interrupt(metrics: dict[str, float], epoch: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        weights("again", config, log=interrupt, checkpoint=tmp_path / "kept")
    assert weights("again", config, checkpoint=tmp_path / "kept") == whole
