"""A refit trains on the gate window up to a time, and on nothing from then on."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.graph.fakes import DAY, HOUR
from models.graph.store import TemporalGraph
from models.time_units import iso
from models.training import refit as module
from models.training.artifact import load_model
from models.training.distributed import Ranks
from models.training.errors import ArtifactError, NoSeedsError
from models.training.fit import fit
from models.training.labels import labelled
from models.training.refit import extended, refit
from models.training.train import Scope, train
from tests.models.training.small import MODEL, TRAINING, small_graph
from tests.models.training.test_train import files, stop_after

GATE = small_graph().schema.window("gate")
UNTIL = GATE.end - DAY


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("judged") / "model"
    fit(small_graph(), MODEL, TRAINING, folder, device="cpu")
    return folder


@pytest.fixture(scope="module")
def refitted(judged: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The refit of the judged model, which cases only read, and what it has returned."""
    folder = tmp_path_factory.mktemp("refitted") / "model"
    return folder, refit(small_graph(), judged, UNTIL, folder, device="cpu")


@cache
def spoiled(until: int) -> TemporalGraph:
    """The graph with other labels and impression features from that time on."""
    graph, seeds = small_graph(), small_graph().seeds
    late = seeds.time >= until
    labels = torch.where(late[:, None], 1 - seeds.labels, seeds.labels)
    numbers = torch.where(late[:, None], 100 + seeds.numbers, seeds.numbers)
    return replace(graph, seeds=replace(seeds, labels=labels, numbers=numbers))


@given(hours=st.integers(1, 48))
@settings(max_examples=48, deadline=None)
def test_no_seed_at_or_after_the_end_is_trained_on_and_every_settled_one_before_it_is(hours: int) -> None:
    graph, until = small_graph(), GATE.start + hours * HOUR
    seeds = graph.seeds
    longer = extended(graph, until)
    rows = labelled(longer, ("train", "validate"))
    assert int(seeds.time[rows].max()) < until
    assert int(seeds.settled[rows].max()) < until
    start = graph.schema.window("train").start
    expected = (seeds.time >= start) & (seeds.settled < until) & ~torch.isnan(seeds.labels).all(dim=1)
    assert sorted(rows.tolist()) == torch.nonzero(expected).flatten().tolist()
    left = (seeds.time >= until) & (seeds.time < GATE.end)
    assert longer.seeds.rows("gate").tolist() == torch.nonzero(left).flatten().tolist()


def test_the_windows_say_what_was_seen_and_the_rest_stays() -> None:
    graph, longer = small_graph(), extended(small_graph(), UNTIL)
    assert longer.schema.window("validate").end == longer.schema.window("gate").start == UNTIL
    for window in ("graph", "train", "test"):
        assert longer.schema.window(window) == graph.schema.window(window)
    assert len(longer.seeds.rows("gate")) == int(((graph.seeds.time >= UNTIL) & (graph.seeds.time < GATE.end)).sum())
    assert torch.equal(longer.seeds.frozen_time, graph.seeds.frozen_time)
    assert longer.seeds.rows("test").tolist() == graph.seeds.rows("test").tolist()
    assert int((graph.seeds.window != longer.seeds.window).sum()) > 0  # and the given graph was not changed


def test_the_refit_has_the_judged_model_s_epochs_and_calibration_and_says_which_days_it_saw(
    judged: Path, refitted: tuple[Path, dict[str, Any]]
) -> None:
    folder, summary = refitted
    before, after = load_model(judged), load_model(folder)
    assert after.training["epochs"] == after.training["epochs_run"] == before.training["epochs"] == summary["epochs"]
    assert after.training["config"] == before.training["config"]
    assert after.calibration == before.calibration
    assert after.training["seeds"] == summary["seeds"] > before.training["seeds"]
    assert (before.seen_until, after.seen_until) == (GATE.start, UNTIL)
    assert (before.training["until"], after.training["until"]) == (iso(GATE.start), iso(UNTIL))
    assert after.training["from"] == iso(small_graph().schema.window("train").start)
    assert files(judged)["model.safetensors"] != files(folder)["model.safetensors"]
    assert {path.name for path in folder.parent.iterdir()} == {"model"}


def test_what_comes_later_changes_nothing_and_the_day_before_does(
    judged: Path, refitted: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    for name, graph in (("later", spoiled(UNTIL)), ("before", spoiled(UNTIL - DAY))):
        refit(graph, judged, UNTIL, tmp_path / name, device="cpu")
    folders = (refitted[0], tmp_path / "later", tmp_path / "before")
    plain, later, before = (files(folder)["model.safetensors"] for folder in folders)
    assert plain == later
    assert plain != before


def test_an_interrupted_refit_goes_on(
    judged: Path, refitted: tuple[Path, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph, keep = small_graph(), tmp_path / "kept"
    with pytest.raises(InterruptedError):
        refit(graph, judged, UNTIL, tmp_path / "broken", device="cpu", log=stop_after(1), checkpoint=keep)
    assert [path.name for path in keep.iterdir()] == ["epoch_0001"]
    epochs = list[int]()
    refit(
        graph, judged, UNTIL, tmp_path / "broken", device="cpu", log=lambda _, now: epochs.append(now), checkpoint=keep
    )
    assert epochs == list(range(2, load_model(judged).training["epochs"] + 1))
    assert files(tmp_path / "broken") == files(refitted[0])
    assert not keep.exists()


def test_a_checkpoint_of_another_end_is_not_continued(
    judged: Path, refitted: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    graph, keep = small_graph(), tmp_path / "kept"
    with pytest.raises(InterruptedError):
        refit(graph, judged, GATE.end, tmp_path / "m", device="cpu", log=stop_after(1), checkpoint=keep)
    refit(graph, judged, UNTIL, tmp_path / "m", device="cpu", checkpoint=keep)
    assert files(tmp_path / "m") == files(refitted[0])


def test_fan_outs_are_those_of_the_judged_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(TRAINING, epochs=2, adaptive_neighbours=True, first_neighbours=1, neighbour_stride=1)
    scope = Scope(epochs=2, largest_fan_outs=(1, 3))
    train(small_graph(), MODEL, config, tmp_path / "judged", scope, device="cpu")
    waits = list[int]()
    monkeypatch.setattr(Ranks, "wait", lambda _: waits.append(1))
    refit(small_graph(), tmp_path / "judged", UNTIL, tmp_path / "model", device="cpu")
    assert load_model(tmp_path / "model").training["limits"] == [1, 3]
    # When the checkpoint is everywhere, when all agree on it, at the end, and after the artifact is complete.
    assert len(waits) == 4


@pytest.mark.parametrize("until", [GATE.start, GATE.end + 1, 0])
def test_another_end_is_refused(until: int, judged: Path, tmp_path: Path) -> None:
    with pytest.raises(NoSeedsError, match="expected it to end in the gate window"):
        refit(small_graph(), judged, until, tmp_path / "model", device="cpu")
    assert not (tmp_path / "model").exists()


def test_without_a_judged_model_there_is_no_refit(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="expected a model artifact"):
        module.refit(small_graph(), tmp_path / "none", UNTIL, tmp_path / "model")
