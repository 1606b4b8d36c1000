import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from models.addresses import sqlite_address
from serving.errors import RegistryError
from serving.versions import registry as module
from serving.versions.artifacts import fetch_artifacts
from serving.versions.registry import SIGNED, Registry, model_name
from serving.versions.signing import SIGNING_KEY, new_keys
from tests.mlflow_database import add_database
from tests.serving.world import World, world_spec


@pytest.fixture
def registry(world: World) -> Registry:
    return Registry(world.tracking_uri)


@pytest.fixture
def bundle(world: World) -> Path:
    return world.state.parent / "bundle"


@contextmanager
def killed_at(step: str) -> Iterator[None]:
    """Raise KeyboardInterrupt at that call of the client: like a kill, it is not an Exception."""

    def kill(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with patch(f"mlflow.MlflowClient.{step}", kill), pytest.raises(KeyboardInterrupt):
        yield


def test_versions_are_registered_promoted_and_downloaded(registry: Registry, bundle: Path, tmp_path: Path) -> None:
    assert registry.champion("walk") is None
    assert registry.versions("walk") == []
    first = registry.log_version("walk", bundle, {"gate": "promote"})
    assert (registry.candidate("walk"), registry.champion("walk")) == (first, None)
    registry.promote("walk", first)
    second = registry.log_version("walk", bundle, {"gate": "hold"})
    assert (registry.candidate("walk"), registry.champion("walk")) == (second, first)
    assert registry.versions("walk") == [first, second]
    assert registry.tags("walk", second)["gate"] == "hold"
    assert list(registry.decisions("walk").items()) == [(second, "hold"), (first, "promote")]
    registry.promote("walk", second)
    assert (registry.candidate("walk"), registry.require_champion("walk")) == (None, second)
    registry.promote("walk", second)
    folder = registry.download("walk", second, tmp_path / "model")
    before = {path.name: path.stat().st_ino for path in folder.iterdir()}
    assert before.keys() == {path.name for path in bundle.iterdir()}
    registry.download("walk", second, tmp_path / "model")
    assert {path.name: path.stat().st_ino for path in folder.iterdir()} == before
    (folder / "model.json").write_text("{}", encoding="utf-8")
    assert (registry.download("walk", second, folder) / "model.json").stat().st_size > 2
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("step", ["log_artifacts", "create_registered_model", "create_model_version"])
def test_a_killed_registration_leaves_no_version(registry: Registry, bundle: Path, step: str) -> None:
    with killed_at(step):
        registry.log_version(f"killed-{step}", bundle)
    assert registry.versions(f"killed-{step}") == []
    assert registry.candidate(f"killed-{step}") is None
    version = registry.log_version(f"killed-{step}", bundle)
    assert registry.versions(f"killed-{step}") == [version]


def test_a_kill_before_the_alias_leaves_a_whole_version(registry: Registry, bundle: Path, tmp_path: Path) -> None:
    with killed_at("set_registered_model_alias"):
        registry.log_version("unnamed", bundle)
    (version,) = registry.versions("unnamed")
    assert registry.candidate("unnamed") is None
    assert registry.download("unnamed", version, tmp_path / "model").is_dir()


def test_changed_artifacts_are_not_served(registry: Registry, world: World, tmp_path: Path) -> None:
    version = registry.log_version("changed", world.state.parent / "bundle")
    source = MlflowClient(tracking_uri=world.tracking_uri).get_model_version("changed", version).source
    (Path(source.removeprefix("file://")) / "calibration.json").write_text("{}", encoding="utf-8")
    with pytest.raises(RegistryError, match="sha256"):
        registry.download("changed", version, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_what_is_not_there_is_reported(registry: Registry, world: World, tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match=r"expected a registered version \(1\); found '7'"):
        registry.promote(world.name, "7")
    with pytest.raises(RegistryError, match=r"\(none\)"):
        registry.download("nobody", "1", tmp_path / "model")
    with pytest.raises(RegistryError, match="expected a champion"):
        registry.require_champion("nobody")
    with pytest.raises(RegistryError, match=r"bundle\.json"):
        registry.log_version("nobody", tmp_path)
    assert "nobody" not in registry.names()


def test_names_come_from_the_spec_and_nothing_phones_home(registry: Registry, world: World) -> None:
    assert model_name(world_spec()) == "heliograph-tiny-world" == world.name
    assert registry.champion(world.name) == world.version
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"


@pytest.mark.parametrize("kind", ["file", "loop", "nowhere", "folder", "gone"])
def test_artifacts_that_are_links_or_gone_are_refused(tmp_path: Path, bundle: Path, kind: str) -> None:
    """A state folder whose name has percent signs, spaces and question marks works."""
    state = tmp_path / "a%20b #é?"
    add_database(state)
    registry = Registry(sqlite_address(state / "mlflow" / "mlflow.db"))
    version = registry.log_version("walk", bundle)
    registry.download("walk", version, tmp_path / "good")
    files = {path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {"good", state.name}
    stored = next(state.rglob("artifacts/bundle"))
    spec = stored / "spec.json"
    elsewhere = tmp_path / "elsewhere"
    if kind in ("folder", "gone"):
        stored.rename(elsewhere)
        if kind == "folder":
            stored.symlink_to(elsewhere)
    else:
        spec.rename(elsewhere)
        spec.symlink_to({"file": elsewhere, "loop": spec, "nowhere": tmp_path / "nothing"}[kind])
    with pytest.raises(RegistryError, match=r"version 1: expected its artifacts at file:.*, files and no links; found"):
        registry.download("walk", version, tmp_path / "bad")
    assert not (tmp_path / "bad").exists()


def stated(message: str) -> str:
    """The pattern of exactly that message."""
    return f"^{re.escape(message)}$"


def test_the_run_of_a_registration_says_how_it_ended(registry: Registry, bundle: Path) -> None:
    client = MlflowClient(tracking_uri=registry.tracking_uri)
    experiment = client.get_experiment_by_name(world_spec().name).experiment_id

    def ends() -> list[str]:
        runs = client.search_runs([experiment], "attributes.run_name = 'bundle of ended'")
        return sorted(run.info.status for run in runs)

    with killed_at("log_artifacts"):
        registry.log_version("ended", bundle)
    assert ends() == ["FAILED"]
    registry.log_version("ended", bundle)
    assert ends() == ["FAILED", "FINISHED"]


def test_with_an_invalid_key_nothing_is_written(
    registry: Registry, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SIGNING_KEY, "x")
    with pytest.raises(RegistryError, match="expected 32 bytes"):
        registry.log_version("unwritten", bundle)
    assert "unwritten" not in registry.names()


def test_tags_are_set_on_registered_versions(registry: Registry, bundle: Path) -> None:
    version = registry.log_version("tagged", bundle)
    registry.tag("tagged", version, "color", "red")
    assert registry.tags("tagged", version)["color"] == "red"
    assert registry.decisions("tagged") == {version: ""}
    with pytest.raises(RegistryError, match=r"^tagged: expected a registered version \(1\); found '2'\.$"):
        registry.tag("tagged", "2", "color", "red")


def test_artifacts_with_another_manifest_are_neither_served_nor_signed(
    registry: Registry, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = registry.log_version("remade", bundle)
    source = MlflowClient(tracking_uri=registry.tracking_uri).get_model_version("remade", version).source
    manifest = Path(source.removeprefix("file://")) / "bundle.json"
    manifest.write_text(manifest.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    expected, found = registry.digest("remade", version), sha256(manifest.read_bytes()).hexdigest()
    message = (
        f"remade version 1: expected digest {expected[:12]}...; found {found[:12]}... "
        "Its artifacts were changed after registration: register it again."
    )
    with pytest.raises(RegistryError, match=stated(message)):
        registry.download("remade", version, tmp_path / "model")
    assert not list(tmp_path.iterdir())
    monkeypatch.setenv(SIGNING_KEY, new_keys()[0])
    with pytest.raises(RegistryError, match=stated(message)):
        registry.sign("remade", version)
    assert SIGNED not in registry.tags("remade", version)


def test_a_folder_with_the_expected_digest_is_used_without_the_registry(
    registry: Registry, bundle: Path, tmp_path: Path
) -> None:
    version, folder = registry.log_version("known", bundle), tmp_path / "new" / "folders" / "model"
    digest, other = registry.digest("known", version), "0123456789abcdef" * 4
    assert registry.download("known", version, folder, digest) == folder
    with patch("mlflow.MlflowClient.get_model_version", side_effect=AssertionError):
        assert registry.download("known", version, folder, digest) == folder
    with killed_at("get_model_version"):
        registry.download("known", version, folder)
    message = (
        f"known version 1: expected digest 0123456789ab..., as it was deployed; found {digest[:12]}... "
        "in the registry. Deploy it again, or find out who changed it."
    )
    with pytest.raises(RegistryError, match=stated(message)):
        registry.download("known", version, folder, other)


def test_a_link_is_replaced_and_what_it_leads_to_is_kept(registry: Registry, bundle: Path, tmp_path: Path) -> None:
    version, folder = registry.log_version("linked", bundle), tmp_path / "model"
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "kept").touch()
    folder.symlink_to(tmp_path / "elsewhere")
    assert (registry.download("linked", version, folder) / "bundle.json").is_file()
    assert not folder.is_symlink()
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["kept"]


def test_an_experiment_that_another_process_creates_meanwhile_is_used(registry: Registry, bundle: Path) -> None:
    client = MlflowClient(tracking_uri=registry.tracking_uri)
    found = client.get_experiment_by_name(world_spec().name)
    with patch("mlflow.MlflowClient.get_experiment_by_name", side_effect=[None, found]):
        version = registry.log_version("raced", bundle)
    run = client.get_run(client.get_model_version("raced", version).run_id)
    assert run.info.experiment_id == found.experiment_id
    with patch("mlflow.MlflowClient.get_experiment_by_name", return_value=None), pytest.raises(MlflowException):
        registry.log_version("raced", bundle)
    assert registry.versions("raced") == [version]


@pytest.mark.parametrize("step", ["create_registered_model", "get_model_version_by_alias"])
def test_a_fault_of_the_server_is_not_taken_for_an_absence(registry: Registry, bundle: Path, step: str) -> None:
    down = MlflowException("it is down")
    with patch(f"mlflow.MlflowClient.{step}", side_effect=down), pytest.raises(MlflowException, match="it is down"):
        registry.promote("down", registry.log_version("down", bundle))


def test_names_with_one_kind_of_quotes_are_found(registry: Registry, bundle: Path) -> None:
    for name in ("o'brien", 'the "best"'):
        version = registry.log_version(name, bundle)
        assert registry.versions(name) == [version]
    message = """model: expected a name without both kinds of quotes; found 'both \\' and "'."""
    with pytest.raises(RegistryError, match=stated(message)):
        registry.versions("both ' and \"")


def test_a_version_that_others_registered_is_refused(registry: Registry, bundle: Path) -> None:
    client = MlflowClient(tracking_uri=registry.tracking_uri)
    client.create_registered_model("foreign")
    client.create_model_version("foreign", bundle.as_uri())
    message = "foreign version 1: expected the tag heliograph.digest; found none. We did not register it."
    with pytest.raises(RegistryError, match=stated(message)):
        registry.digest("foreign", "1")


def test_mlflow_is_imported_late_and_kept_quiet(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not hasattr(module, "MlflowClient")
    switches = ("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK", "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR")
    for variable in (*switches, "MLFLOW_LOGGING_LEVEL"):
        monkeypatch.delenv(variable, raising=False)
    assert registry.champion("nobody") is None
    assert [os.environ[variable] for variable in switches] == ["true", "true", "false"]
    assert os.environ["MLFLOW_LOGGING_LEVEL"] == "WARNING"
    monkeypatch.setenv("MLFLOW_LOGGING_LEVEL", "DEBUG")
    assert registry.champion("nobody") is None
    assert os.environ["MLFLOW_LOGGING_LEVEL"] == "DEBUG"


def test_artifacts_that_mlflow_does_not_proxy_are_named_in_one_sentence(
    tmp_path: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The images have no boto3."""
    monkeypatch.setitem(sys.modules, "boto3", None)
    add_database(tmp_path)
    registry = Registry(sqlite_address(tmp_path / "mlflow" / "mlflow.db"))
    found = r"expected artifacts that the MLflow server proxies \(mlflow server --serve-artifacts\).*s3://direct/"
    MlflowClient(tracking_uri=registry.tracking_uri).create_experiment(world_spec().name, "s3://direct/artifacts")
    with pytest.raises(RegistryError, match=f"^model: {found}"):
        registry.log_version("model", bundle)
    with pytest.raises(RegistryError, match=f"^version 1: {found}") as error:
        fetch_artifacts("version 1", "s3://direct/artifacts/1/bundle", tmp_path / "bundle", registry.tracking_uri)
    assert "boto3" not in str(error.value)


def test_an_action_registers_one_version(registry: Registry, bundle: Path) -> None:
    tags = {"heliograph.action": "2026-01-07 retrain"}
    assert registry.tagged("acted", "heliograph.action", tags["heliograph.action"]) is None
    first = registry.log_version("acted", bundle, tags)
    assert registry.log_version("acted", bundle, tags) == first
    assert registry.log_version("acted", bundle, {"heliograph.action": "2026-01-08 retrain"}) != first
    assert registry.tagged("acted", "heliograph.action", "2026-01-07 retrain") == first
    assert registry.versions("acted") == ["1", "2"]
