"""Pre-training: which events it predicts, what it may see, and that an interrupted run ends the same."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from models.graph.store import TemporalGraph
from models.nn.encoded import EncodedGraph, encode_graph
from models.nn.encoding import Encoding
from models.nn.model import Ranker
from models.training import history as module
from models.training.errors import NoHistoryError
from models.training.history import _events, history_of, pretrain
from models.training.train import Scope, train
from tests.models.training.small import MODEL, TRAINING, small_graph


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
    assert found.impression_categories.eq(0).all()
    assert not any(task.primary for task in found.graph.schema.seeds.tasks)


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


def test_events_are_strictly_before_the_moment() -> None:
    edges = small_graph().edges["clicked"]
    until = int(edges.time.median())
    assert (edges.time == until).any()
    member, item, time = _events(small_graph(), "clicked", until)
    owner = torch.repeat_interleave(torch.arange(len(edges.offsets) - 1), edges.offsets.diff())
    rows = [row for row in range(len(edges.time)) if edges.time[row] < until]
    assert member.tolist() == owner[rows].tolist()
    assert item.tolist() == edges.target[rows].tolist()
    assert time.tolist() == edges.time[rows].tolist()


def test_a_history_without_events_is_refused() -> None:
    graph = one_domain()
    later = {name: replace(edges, time=edges.time + 10**15) for name, edges in graph.edges.items()}
    with pytest.raises(NoHistoryError, match="found 2 such edge types with 0 events: set it to 0"):
        history_of(*encoded(replace(graph, edges=later)), count=5)


def test_without_a_seed_the_draw_is_that_of_zero() -> None:
    one, other = (history_of(*encoded(one_domain()), 20, *seed).graph.seeds.time for seed in ((), (0,)))
    assert torch.equal(one, other)


def test_it_is_one_epoch_with_heads_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    of, encoding = encoded(one_domain())
    model = replace(MODEL, task_weighting="uncertainty")
    ranker, seen = Ranker(model, of.graph.schema, encoding), []
    heads, spread = ranker.heads, ranker.task_spread

    class Spy:
        def __init__(self, *given: Any) -> None:
            self.ranker, self.config = given

        def run_epoch(self, history: EncodedGraph, rows: torch.Tensor, epoch: int, name: str) -> dict[str, float]:
            seen.append((self.config, rows.tolist(), epoch, name, self.ranker.task_spread))
            assert self.ranker.heads is not heads
            raise InterruptedError

    monkeypatch.setattr(module, "Trainer", Spy)
    config = replace(TRAINING, history_events=30, state="frozen")
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    with pytest.raises(InterruptedError):
        pretrain(ranker, of, config)
    assert torch.equal(torch.rand(2), expected)
    assert seen == [(replace(config, epochs=1, state="as_of"), list(range(30)), 0, "history", None)]
    assert ranker.heads is heads
    assert ranker.task_spread is spread
