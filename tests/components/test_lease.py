"""The lease of pipeline runs: steps of one that changes what serves take it, the report gives it back."""

from dataclasses import replace
from pathlib import Path

import pytest

from components.lease import RunLease, notes_of_run, release
from components.services import CLUSTER, Services
from components.step import Step
from feature_repo.lease import Lease, LeaseError, acquire, check
from models.spec import Spec
from monitoring.ledger import Ledger
from tests.components.specs import artifact
from tests.feature_repo import tiny
from tests.feature_repo.redis_server import redis_address, redis_server
from tests.mlflow_database import add_database

__all__ = ["redis_address", "redis_server"]


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


def test_every_step_of_a_run_has_it_until_the_report(tiny_spec: Spec, embedded: Services, tmp_path: Path) -> None:
    notes = notes_of_run(embedded, tiny_spec.name)
    for name in ("ingest", "train"):
        with Step(name, artifact(tiny_spec, tmp_path), embedded.to_json()) as step:
            assert step.lease == Lease("run-1", 1)
            step.check_lease()
    with pytest.raises(LeaseError):
        acquire(notes, "run-2", 100)
    release(embedded, tiny_spec.name)
    assert acquire(notes, "run-2", 100) == Lease("run-2", 2)


def test_a_run_that_only_looks_takes_none(tiny_spec: Spec, embedded: Services, tmp_path: Path) -> None:
    acquire(notes_of_run(embedded, tiny_spec.name), "run-9", 100)
    looks = replace(embedded, pipeline="monitoring", scratch=True)
    with Step("monitor", artifact(tiny_spec, tmp_path), looks.to_json()) as step:
        assert step.lease is None
        step.check_lease()
        assert step.open_notes().project == f"{tiny_spec.name}_scratch"
    release(looks, tiny_spec.name)
    check(notes_of_run(embedded, tiny_spec.name), Lease("run-9", 1))


def test_on_this_machine_it_is_taken_from_a_run_that_was_killed(embedded: Services) -> None:
    first = acquire(notes_of_run(embedded, "tiny"), "run-0", 1e6)
    with RunLease(embedded, "tiny") as taken:
        assert taken == Lease("run-1", 2)
    with pytest.raises(LeaseError):
        check(notes_of_run(embedded, "tiny"), first)


def test_on_a_cluster_the_second_run_ends_with_one_sentence(
    cluster: Services, tiny_spec: Spec, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with RunLease(cluster, tiny_spec.name) as first:
        other = replace(cluster, run="run-2").to_json()
        with pytest.raises(LeaseError), Step("ingest", artifact(tiny_spec, tmp_path), other):
            raise AssertionError
        assert "LeaseError: lease: expected no other run that changes this product; found run run-1" in (
            capsys.readouterr().out
        )
        (refused,) = Ledger(cluster.tracking_uri, "run-2", tiny_spec.name).read(tmp_path / "read").steps
        assert (refused.name, refused.status) == ("ingest", "failed"), "the report has to say why the run ended"
        assert "found run run-1" in refused.error
        with RunLease(replace(cluster, run="run-2"), "another") as another:
            assert another == Lease("run-2", 1)
        check(notes_of_run(cluster, tiny_spec.name), first)
    with RunLease(cluster, tiny_spec.name) as again:  # its next step
        assert again == first


def test_a_long_step_renews_it(embedded: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.lease.SECONDS", 0.06)
    notes = notes_of_run(embedded, "tiny")
    with RunLease(embedded, "tiny"):
        first = (notes.read("lease") or {})["until"]
        while (notes.read("lease") or {})["until"] == first:
            pass
