"""Prune on a cluster while others work: another prune, runs that train, fits that end."""

from collections.abc import Iterator
from typing import Any

import pytest

from feature_repo import lease
from feature_repo.lease import LeaseError, acquire
from feature_repo.notes import notes_of
from models import storage
from models.storage import write_bytes
from monitoring.ledger import Ledger
from monitoring.old_runs import old_runs
from pipelines import prune_files
from pipelines.__main__ import main
from pipelines.commands import prune as command
from pipelines.prune import Place, held
from pipelines.prune_files import old_checkpoints
from tests.pipelines.prune_world import PRODUCT, World, made, on_a_cluster, register, world
from tests.s3_server import bucket, s3_server

__all__ = ["bucket", "made", "on_a_cluster", "s3_server", "world"]


def test_two_prunes_do_not_hold_the_lease_together(world: World) -> None:
    notes = notes_of(world.store)
    with held(notes), pytest.raises(LeaseError, match="found run prune-"), held(notes):
        pass


def test_a_prune_that_was_overtaken_ends(
    world: World, on_a_cluster: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prune = command.prune

    def overtaken(*given: Any) -> Iterator[Any]:
        for number, one in enumerate(prune(*given)):
            if number == 1:
                acquire(notes_of(world.store), "run-10", 60, force=True)
            yield one

    monkeypatch.setattr(command, "prune", overtaken)
    assert main(["prune", *on_a_cluster, "--keep", "1"]) == 1
    assert "run run-10" in capsys.readouterr().err
    assert world.versions() == [str(n) for n in range(2, 10)]


def test_what_serves_is_asked_with_the_lease(
    world: World, on_a_cluster: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, owners = command._on_a_cluster, []

    def place(*given: Any) -> Place:
        owners.append((notes_of(world.store).read(lease.NOTE) or {"owner": ""})["owner"])
        return asked(*given)

    monkeypatch.setattr(command, "_on_a_cluster", place)
    assert main(["prune", *on_a_cluster]) == 0
    assert [owner.partition("-")[0] for owner in owners] == ["prune"]


def test_versions_and_artifacts_of_a_run_that_has_not_ended_stay(world: World, on_a_cluster: list[str]) -> None:
    """It holds no lease while it trains; nor is it the newest of its pipeline."""
    address = world.registry.tracking_uri
    for run in ("run-10", "run-11", "run-12"):
        ledger = Ledger(address, run, PRODUCT, "training")
        ledger.note("long", "x" * 9_000)
        register(world.client, run, version=run != "run-11")
    ledger.close("SUCCEEDED")
    assert main(["prune", *on_a_cluster, "--keep", "0", "--older-than", "0s"]) == 0
    assert world.versions() == ["4", "10"]
    assert [one.name for one in old_runs(address, PRODUCT, 1 << 60, ())] == ["run-4", "run-10", "run-11"]


def test_a_fit_that_ends_meanwhile(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write_bytes(f"{bucket}/checkpoints/news/{'a' * 64}/x", b"x")
    write_bytes(f"{bucket}/checkpoints/news/{'b' * 64}/x", b"x")

    def ended(address: str) -> dict[str, tuple[int, int]]:
        storage.remove(f"{bucket}/checkpoints/news/{'a' * 64}")
        return storage.files_below(address)

    monkeypatch.setattr(prune_files, "files_below", ended)
    (found,) = old_checkpoints(bucket, "news", 1 << 60)
    assert found.address.endswith("b" * 64)
