"""``python -m pipelines prune``: what goes, what stays whatever its age, and what a killed call leaves."""

import os
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from feature_repo.lease import LeaseError, acquire, release
from feature_repo.notes import Notes, notes_of
from feature_repo.slots import Vectors, claim, finish
from models.addresses import sqlite_address
from models.files import write_text
from models.storage import exists
from monitoring.runs import read_runs
from pipelines.__main__ import main
from pipelines.errors import BUSY
from pipelines.lock import state_lock
from pipelines.prune import Place, held, prune
from serving.deployment.record import Endpoint, Worker
from serving.versions.promotions import BEST
from tests.pipelines.prune_world import MODEL, OLD, PRODUCT, World, made, on_a_cluster, register, world
from tests.s3_server import bucket, s3_server

__all__ = ["bucket", "made", "on_a_cluster", "s3_server", "world"]


def _in_slot(store: Any, version: str) -> None:
    finish(store, claim(store, Vectors(version, f"encoder {version}", 1, version), ()))


def _alias(world: World, **aliases: str) -> None:
    for alias, version in aliases.items():
        world.client.set_registered_model_alias(MODEL, alias, version)


def test_versions_that_something_names_stay_and_the_newest(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Champion 7 (its verdict says 1 is the best), previous 2, slot 3, an endpoint with 4 that would go back to 5."""
    _alias(world, champion="7", previous="2")
    world.client.set_model_version_tag(MODEL, "7", BEST, "1")
    _in_slot(world.store, "3")
    endpoint = Endpoint(MODEL, "4", "127.0.0.1", 1, 1, "", (Worker("4", "", 1, 1, 100),), "5")
    monkeypatch.setattr("serving.deployment.endpoint_processes.EndpointProcesses.current", lambda _: endpoint)
    before = world.bundles()
    assert world.prune("--keep", "1", "--older-than", "0s", "--dry-run") == 0
    printed = capsys.readouterr().out
    assert (len(world.versions()), world.bundles()) == (9, before)
    for number in (6, 8):
        assert f"version  {MODEL} version {number}  2 B" in printed
    assert f"version {1}  " not in printed
    assert "would be removed" in printed
    assert world.prune("--keep", "1", "--older-than", "0s") == 0
    assert capsys.readouterr().out.replace("removed", "would be removed") == printed
    assert world.versions() == ["1", "2", "3", "4", "5", "7", "9"]
    assert world.bundles() == 7
    assert world.registry.champion(MODEL) == "7"
    assert sorted(path.name for path in (world.state / "runs").iterdir()) == [f"run-{n}" for n in (1, 2, 3, 4, 5, 7, 9)]
    assert [path.name for path in (world.state / "pipeline").iterdir()] == ["run-9"]  # with the applied tables
    assert world.prune("--keep", "1", "--older-than", "0s") == 0
    assert capsys.readouterr().out == "0 removed, 0 B\n"


def test_young_artifacts_stay_and_the_history_too(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    write_text(world.state / "runs" / "run-3" / "run.log", "written now")
    _alias(world, champion="9")
    assert world.prune("--keep", "0") == 0
    assert world.versions() == ["9"]
    assert sorted(path.name for path in (world.state / "runs").iterdir()) == ["run-3", "run-9"]
    runs = read_runs(sqlite_address(world.state / "mlflow" / "mlflow.db"), PRODUCT)
    assert len(runs) == 9
    ledgers = list((world.state / "mlflow" / "artifacts").glob("*/artifacts/notes/*"))
    assert len(ledgers) == 9  # began now
    assert world.prune("--keep", "0", "--older-than", "0s") == 0
    assert len(list((world.state / "mlflow" / "artifacts").glob("*/artifacts/notes/*"))) == 1
    tags = world.client.search_runs([world.client.get_experiment_by_name(PRODUCT).experiment_id])
    named = [run for run in tags if any("kept in" in value for value in run.data.tags.values())]
    assert len(named) == 1  # no tag names a file that is gone


@pytest.mark.parametrize("step", ["mlflow.MlflowClient.delete_model_version", "mlflow.MlflowClient.delete_run"])
def test_a_killed_call_leaves_no_name_without_bytes_and_the_next_one_finishes(world: World, step: str) -> None:
    _alias(world, champion="9")

    def kill(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with patch(step, kill):
        assert world.prune("--keep", "7") == 130
    for version in world.versions():
        record = world.client.get_model_version(MODEL, version)
        assert world.client.list_artifacts(record.run_id)
    assert world.prune("--keep", "7") == 0
    assert (world.versions(), world.bundles()) == ([str(n) for n in range(2, 10)], 8)


def test_a_killed_call_before_the_bytes(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    _alias(world, champion="9")
    with patch("serving.versions.old_versions.remove_artifacts", side_effect=KeyboardInterrupt):
        assert world.prune("--keep", "7") == 130
    assert (len(world.versions()), world.bundles()) == (8, 9)
    assert world.prune("--keep", "7") == 0
    assert "bundle  run" in capsys.readouterr().out
    assert world.bundles() == 8


def test_a_bundle_that_is_being_registered_stays(world: World) -> None:
    run = register(world.client, "", version=False)
    assert world.prune("--older-than", "0s") == 0
    assert world.client.list_artifacts(run)


def test_a_version_that_becomes_a_canary_meanwhile_stays(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    place = Place(PRODUCT, world.registry.tracking_uri, str(world.state), _notes(world), frozenset())
    found = prune(place, 8, 0)
    one = next(found)
    assert one.name == f"{MODEL} version 1"
    _alias(world, canary="1")
    assert one.remove() is False
    assert "1" in world.versions()


def _notes(world: World) -> Notes:
    return notes_of(world.store)


def test_checkpoints_and_scratch(world: World) -> None:
    """A checkpoint goes as a whole; the former content of a folder that is missing stays; so does what is young."""
    state, old = world.state, []
    for name in ("checkpoints/other/a", f"checkpoints/{PRODUCT}-refit/epoch-1/x", "raw/tiny/.a.parquet.abcdefgh/a"):
        old.append(write_text(state / name, "x"))
    old += [write_text(state / f"jobs/{PRODUCT}/train-{run}/graph/x", "x") for run in "ab"]
    old += [write_text(state / name, "x") for name in ("endpoint/version-1.log", "features/.x.previous/y")]
    old += [write_text(state / f"checkpoints/{PRODUCT}/selection/x", "x"), write_text(state / ".b.fresh/x", "x")]
    for path in [*old, *(path.parent for path in old), *(path.parent.parent for path in old)]:
        os.utime(path, (OLD, OLD))
    young = write_text(state / f"checkpoints/{PRODUCT}/final/x", "x")
    write_text(state / f"jobs/{PRODUCT}/train-b/summary.json", "x")
    draft = write_text(state / "raw" / ".c.parquet.abcdefgh" / "c", "x")
    assert world.prune() == 0
    assert young.exists()
    assert draft.exists()
    gone = [path for path in old if not path.exists()]
    assert [str(path.relative_to(state)) for path in gone] == [
        f"checkpoints/{PRODUCT}-refit/epoch-1/x",
        "raw/tiny/.a.parquet.abcdefgh/a",
        f"jobs/{PRODUCT}/train-a/graph/x",
        "endpoint/version-1.log",
        ".b.fresh/x",
    ]
    assert (state / "raw" / "tiny").is_dir()


def test_a_run_in_progress_and_an_empty_folder(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with state_lock(world.state):
        assert world.prune("--keep", "0") == BUSY
        assert world.prune("--keep", "0", "--dry-run") == 0
    assert len(world.versions()) == 9
    assert main(["prune", "--state", str(tmp_path / "none")]) == 0
    assert "nothing to prune" in capsys.readouterr().out
    assert not (tmp_path / "none").exists()
    with held(_notes(world)), pytest.raises(LeaseError, match="found run prune-"):
        acquire(_notes(world), "run-10", 60)


@pytest.mark.parametrize("options", [["--keep", "-1"], ["--older-than", "soon"], ["--target", "moon"]])
def test_options_are_checked(options: list[str]) -> None:
    with pytest.raises(SystemExit):
        main(["prune", *options])


def test_a_cluster_needs_its_addresses(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prune", "--target", "cluster"]) == 1
    assert "--product: expected it with --target cluster; found none" in capsys.readouterr().err


def test_a_cluster(world: World, on_a_cluster: list[str], bucket: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Refused while a run has the lease; then what serves stays, and files of this machine are left alone."""
    options = ["prune", *on_a_cluster, "--keep", "1", "--older-than", "0s"]
    acquire(_notes(world), "run-10", 60)
    assert main(options) == 1
    assert "found run run-10" in capsys.readouterr().err
    assert main([*options, "--dry-run"]) == 0
    assert len(world.versions()) == 9
    release(_notes(world), "run-10")
    assert main(options) == 0
    assert world.versions() == ["4", "9"]
    assert not exists(f"{bucket}/checkpoints/{PRODUCT}/{'a' * 64}")
    assert len(list((world.state / "runs").iterdir())) == 9
    acquire(_notes(world), "run-11", 60)  # given back
