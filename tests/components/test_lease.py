"""The lease of pipeline runs: steps that change a project take it or wait for it, the last of them gives it back."""

import logging
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from components.acting import end_action
from components.lease import HELD_SECONDS, SILENT_SECONDS, RunLease, notes_of_run, release
from components.services import CLUSTER, Services
from components.step import Step
from feature_repo import lease
from feature_repo.lease import HeldError, Lease, LeaseError, acquire, check
from feature_repo.notes import NotesError
from models.clock import now
from models.spec import Spec
from models.time_units import SECOND
from monitoring.action import Action
from monitoring.ledger import Ledger
from tests.components.specs import artifact
from tests.feature_repo import tiny
from tests.feature_repo.redis_server import redis_address, redis_server
from tests.mlflow_database import add_database

__all__ = ["redis_address", "redis_server"]
NOBODY = "127.0.0.1:1,retry=null"
"""An address at which no store is."""


@pytest.fixture
def embedded(tmp_path: Path) -> Services:
    add_database(tmp_path / "state")
    return Services.embedded("run-1", tmp_path / "state", tiny.CONFIG, pipeline="training")


@pytest.fixture
def cluster(embedded: Services, redis_address: str, monkeypatch: pytest.MonkeyPatch) -> Services:
    monkeypatch.setenv("FEAST_REGISTRY", "postgresql+psycopg://nobody@127.0.0.1:1/feast")  # not needed
    monkeypatch.setenv("FEAST_REDIS", redis_address)
    config = tiny.CONFIG.with_name("feature_store.cluster.yaml")
    return replace(embedded, feature_store=str(config), target=CLUSTER)


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What a step would print while it waits."""
    monkeypatch.setattr(logging.getLogger("components"), "propagate", True)  # an earlier step has turned it off
    monkeypatch.setattr(logging.getLogger("components"), "handlers", [])
    caplog.set_level(logging.INFO, "components.lease")
    return caplog


class Wait:
    """A clock that only a pause moves on; ``during`` happens in every pause."""

    def __init__(self, during: Callable[[], Any] = lambda: None) -> None:
        self.start = self.time = now()
        self.during = during

    def clock(self) -> int:
        return self.time

    def pause(self, seconds: float) -> None:
        self.time += round(seconds * SECOND)
        self.during()

    @property
    def seconds(self) -> float:
        return (self.time - self.start) / SECOND

    def of(self, services: Services) -> RunLease:
        return RunLease(services, "tiny", clock=self.clock, pause=self.pause)


def test_a_run_keeps_it_until_a_step_gives_it_back(tiny_spec: Spec, embedded: Services, tmp_path: Path) -> None:
    notes, given = notes_of_run(embedded, tiny_spec.name), artifact(tiny_spec, tmp_path)
    with Step("materialize", given, embedded.to_json(), lease="keep") as step:
        assert step.lease == Lease("run-1", 1)
    with pytest.raises(LeaseError):
        acquire(notes, "run-2", 100)
    with Step("retrieve", given, embedded.to_json(), lease="give back") as step:
        assert step.lease == Lease("run-1", 1)
        step.check_lease()
    assert acquire(notes, "run-2", 100) == Lease("run-2", 2)


def test_after_a_failure_it_waits_for_the_retry_and_the_report_ends_it(
    tiny_spec: Spec, embedded: Services, tmp_path: Path
) -> None:
    notes, given = notes_of_run(embedded, tiny_spec.name), artifact(tiny_spec, tmp_path)
    with pytest.raises(OSError, match="no"), Step("deploy", given, embedded.to_json(), lease="give back"):
        raise OSError("no")
    with pytest.raises(LeaseError):
        acquire(notes, "run-2", 100)
    release(embedded, tiny_spec.name)
    assert acquire(notes, "run-2", 100) == Lease("run-2", 2)


def test_a_step_that_writes_nothing_needs_no_store(
    tiny_spec: Spec, cluster: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A training of hours neither keeps a refresh from running nor ends with the store."""
    monkeypatch.setenv("FEAST_REDIS", NOBODY)
    with Step("train", artifact(tiny_spec, tmp_path), cluster.to_json()) as step:
        assert step.lease is None
        step.check_lease()


def test_a_run_that_trained_for_hours_takes_it_again_after_another_one(
    tiny_spec: Spec, cluster: Services, tmp_path: Path
) -> None:
    """What it read before is checked by `deploy`; what it held before writes nothing any more."""
    given, other = artifact(tiny_spec, tmp_path), replace(cluster, run="run-2").to_json()
    with Step("retrieve", given, cluster.to_json(), lease="give back") as step:
        before = step.lease
    with Step("train", given, cluster.to_json()), Step("deploy", given, other, lease="give back") as step:
        assert step.lease == Lease("run-2", 2)
    with Step("push embeddings", given, cluster.to_json(), lease="keep") as step:
        assert (before, step.lease) == (Lease("run-1", 1), Lease("run-1", 3))
        with pytest.raises(LeaseError, match="number 1"):
            check(step.open_notes(), before or Lease("", 0))


def test_a_step_of_the_pipeline_act_renews_its_action(
    tiny_spec: Spec, cluster: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("components.lease.SECONDS", 0.06)
    notes, acts = notes_of_run(cluster, tiny_spec.name), replace(cluster, pipeline="act")
    notes.write("action", asdict(Action("2026-01-07", "retrain", "run-1", now())))
    seen = {0}
    with Step("train", artifact(tiny_spec, tmp_path), acts.to_json()):
        while len(seen) < 3:  # at once, and again and again
            seen.add((notes.read("action") or {})["until"])
    assert max(seen) > now()
    end_action(acts, tiny_spec.name, succeeded=False)
    assert (notes.read("action") or {})["until"] == 0
    monkeypatch.setenv("FEAST_REDIS", NOBODY)
    with Step("train", artifact(tiny_spec, tmp_path), acts.to_json()) as step:
        assert step.lease is None
    end_action(acts, tiny_spec.name, succeeded=False)  # half an hour later it is free, too


def test_pipelines_that_only_look_meet_neither_each_other_nor_what_serves(cluster: Services) -> None:
    serving = acquire(notes_of_run(cluster, "tiny"), "run-9", 100)
    first, second = (replace(cluster, scratch=True, pipeline=name) for name in ("monitoring", "comparison"))
    with Wait().of(first) as one, Wait().of(second) as other:
        assert one.held == other.held == Lease("run-1", 1)
    assert notes_of_run(first, "tiny").project == "tiny_scratch_monitoring"
    with pytest.raises(HeldError, match="found run run-1"), Wait().of(replace(first, run="run-2")):
        raise AssertionError
    check(notes_of_run(cluster, "tiny"), serving)


def test_two_runs_of_a_pipeline_that_only_looks_take_turns(
    tiny_spec: Spec, cluster: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between `materialize` and `retrieve` of the one the other would apply its own tables."""
    monkeypatch.setattr("components.lease.HELD_SECONDS", 0)
    given, looks = artifact(tiny_spec, tmp_path), replace(cluster, scratch=True, pipeline="monitoring")
    other = replace(looks, run="run-2").to_json()
    with Step("materialize", given, looks.to_json(), lease="keep"):
        pass
    with pytest.raises(LeaseError), Step("materialize", given, other, lease="keep"):
        raise AssertionError
    with Step("retrieve", given, looks.to_json(), lease="give back"):
        pass
    with Step("materialize", given, other, lease="keep") as step:
        assert step.lease == Lease("run-2", 2)


def test_on_this_machine_it_is_taken_from_a_run_that_was_killed(embedded: Services) -> None:
    first = acquire(notes_of_run(embedded, "tiny"), "run-0", 1e6)
    wait = Wait()
    with wait.of(embedded) as taken:
        assert taken.held == Lease("run-1", 2)
    assert wait.seconds == 0
    with pytest.raises(LeaseError):
        check(notes_of_run(embedded, "tiny"), first)


def test_on_a_cluster_a_second_run_that_waited_ends_with_one_sentence(
    cluster: Services,
    tiny_spec: Spec,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("components.lease.HELD_SECONDS", 0)
    with RunLease(cluster, tiny_spec.name) as first:
        other = replace(cluster, run="run-2").to_json()
        with pytest.raises(LeaseError), Step("materialize", artifact(tiny_spec, tmp_path), other, lease="keep"):
            raise AssertionError
        printed = capsys.readouterr().out
        assert "|   waits for run run-1 and its lease, at most until 2" in printed
        assert "HeldError: lease: expected no other run that changes this product; found run run-1" in printed
        (refused,) = Ledger(cluster.tracking_uri, "run-2", tiny_spec.name).read(tmp_path / "read").steps
        assert (refused.name, refused.status) == ("materialize", "failed"), "the report has to say why the run ended"
        assert "found run run-1" in (refused.error or "")
        with RunLease(replace(cluster, run="run-2"), "another") as another:
            assert another.held == Lease("run-2", 1)
        first.check()
    with RunLease(cluster, tiny_spec.name) as again:  # its next step
        assert again.held == first.held


def test_a_step_waits_until_the_other_run_gives_it_back(cluster: Services, lines: pytest.LogCaptureFixture) -> None:
    notes = notes_of_run(cluster, "tiny")
    acquire(notes, "run-0", 10 * HELD_SECONDS)

    def end() -> None:
        if wait.seconds >= HELD_SECONDS / 2:
            lease.release(notes, "run-0")

    wait = Wait(end)
    with wait.of(cluster) as taken:
        assert taken.held == Lease("run-1", 2)
    assert HELD_SECONDS / 2 <= wait.seconds < HELD_SECONDS
    (line,) = lines.messages
    assert line.startswith("waits for run run-0 and its lease, at most until 2")


def test_the_wait_for_another_run_is_bounded(cluster: Services, lines: pytest.LogCaptureFixture) -> None:
    acquire(notes_of_run(cluster, "tiny"), "run-0", 10 * HELD_SECONDS)
    wait = Wait()
    with pytest.raises(HeldError, match="found run run-0"), wait.of(cluster):
        raise AssertionError
    assert wait.seconds == HELD_SECONDS
    assert len(lines.messages) == 1


def test_a_silent_store_is_tried_again(cluster: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    take, wait = acquire, Wait()

    def restarting(*arguments: Any) -> Lease:
        if 0.1 < wait.seconds / SILENT_SECONDS < 1:
            raise NotesError("silent")
        return take(*arguments)

    acquire(notes_of_run(cluster, "tiny"), "run-0", SILENT_SECONDS)  # as long as the silence, so that it is free then
    monkeypatch.setattr(lease, "acquire", restarting)
    with wait.of(cluster) as taken:
        assert taken.held == Lease("run-1", 2)
    assert SILENT_SECONDS <= wait.seconds < SILENT_SECONDS + 10


def test_a_store_that_stays_silent_ends_the_step(cluster: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEAST_REDIS", NOBODY)
    wait = Wait()
    with pytest.raises(NotesError, match="expected a response"), wait.of(cluster):
        raise AssertionError
    assert wait.seconds == SILENT_SECONDS


def test_a_lease_that_cannot_be_given_back_ends_nothing(
    cluster: Services, lines: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEAST_REDIS", NOBODY)
    release(cluster, "tiny")
    assert "could not be given back and ends in 30 minutes" in lines.text


def test_a_long_step_renews_it(embedded: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.lease.SECONDS", 0.06)
    notes = notes_of_run(embedded, "tiny")
    with RunLease(embedded, "tiny"):
        first = (notes.read("lease") or {})["until"]
        while (notes.read("lease") or {})["until"] == first:
            pass
