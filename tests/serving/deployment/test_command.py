"""``python -m serving`` for a cluster: the registry and the limits of its pods."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kserve
import pytest
import yaml

from feature_repo.push import PushError
from models.version import SERVE_IMAGE
from serving.__main__ import main
from serving.deployment import command, model_options
from serving.deployment.cluster import Cluster
from serving.deployment.embedded import Embedded
from serving.deployment.errors import DeploymentError
from serving.versions.registry import Registry
from tests.serving.deployment.cluster_server import RecordingCluster, recording_cluster
from tests.serving.stubbed import FakeRegistry

SERVER = "https://mlflow.example:5000"
ONE = ["--model", "tiny", "--version", "1"]


@pytest.fixture(autouse=True)
def digests(monkeypatch: pytest.MonkeyPatch) -> None:
    """The registry at SERVER."""
    monkeypatch.setattr(Registry, "digest", lambda self, name, version: f"digest of {name} {version}")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[RecordingCluster]:
    real = kserve.KServeClient
    with recording_cluster() as server:
        monkeypatch.setattr(kserve, "KServeClient", lambda: real(config_dict=server.kubeconfig(), persist_config=False))
        yield server


def variables(service: dict[str, Any]) -> dict[str, str]:
    (container,) = service["spec"]["predictor"]["containers"]
    return {entry["name"]: entry["value"] for entry in container["env"]}


@pytest.mark.parametrize("command", [["manifest"], ["up", "--target", "cluster"]])
@pytest.mark.parametrize(
    ("uri", "found"), [(["--tracking-uri", "sqlite:////here.db"], "sqlite:////here.db"), ([], "none")]
)
def test_a_registry_that_the_cluster_cannot_reach_is_refused(
    command: list[str],
    uri: list[str],
    found: str,
    server: RecordingCluster,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "mlflow").mkdir()
    (tmp_path / "mlflow" / "mlflow.db").touch()
    assert main([*command, *ONE, *uri, "--state", str(tmp_path)]) == 1
    printed = capsys.readouterr()
    assert f"--tracking-uri: expected an MLflow server that the cluster reaches too; found {found}." in printed.err
    assert (printed.out, server.requests) == ("", [])


def test_the_registry_that_is_named_reaches_the_container(
    server: RecordingCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["manifest", *ONE, "--tracking-uri", SERVER]) == 0
    printed = variables(yaml.safe_load(capsys.readouterr().out))
    assert (printed["MLFLOW_TRACKING_URI"], printed["HELIOGRAPH_DIGEST"]) == (SERVER, "digest of tiny 1")
    assert main(["up", "--target", "cluster", *ONE, "--tracking-uri", SERVER]) == 0
    ((_, _, sent),) = server.written()
    assert (variables(sent)["MLFLOW_TRACKING_URI"], variables(sent)["HELIOGRAPH_DIGEST"]) == (
        SERVER,
        "digest of tiny 1",
    )


def test_the_limits_reach_the_container(
    server: RecordingCluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    limits = tmp_path / "limits.json"
    limits.write_text('{"items": 50}', encoding="utf-8")
    up = ["up", "--target", "cluster", *ONE, "--tracking-uri", SERVER, "--limits", str(limits)]
    assert main(up) == 0
    ((_, _, sent),) = server.written()
    assert json.loads(variables(sent)["HELIOGRAPH_LIMITS"]) == {"items": 50}
    limits.write_text('{"items": "50"}', encoding="utf-8")
    assert main(up) == 1
    assert "expected a whole number above 0 as items; found '50'" in capsys.readouterr().err
    assert len(server.written()) == 1


MODEL: dict[str, object] = {"state": Path("state"), "model": None, "tracking_uri": None}
TARGET = {"target": "embedded", "namespace": "heliograph", "image": SERVE_IMAGE}


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("canary", {"percent": 10, "version": None}),
        ("promote", {"version": None}),
        ("rollback", {}),
        ("manifest", {"limits": None, "version": None}),
    ],
)
def test_every_command_has_its_options_and_defaults(name: str, more: dict[str, object]) -> None:
    parser = argparse.ArgumentParser()
    command.add(parser.add_subparsers(dest="command"))
    assert vars(parser.parse_args([name])) == {"command": name, **MODEL, **TARGET, **more}


class FakeTarget:
    """A target with a canary of version 2."""

    def __init__(self, state: Path, registry: object, name: str) -> None:
        assert (state, name) == (Path("state"), "model")

    def canary(self, version: str, percent: int) -> None:
        """Do nothing."""

    def candidate(self) -> str:
        return "2"

    def promote(self, version: str) -> None:
        """Do nothing."""

    def rollback(self) -> str:
        return "2"

    def traffic(self) -> dict[str, int]:
        return {"1": 90, "2": 10}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["canary", "--version", "2"],
            "canary: version 2 has 10 % of the traffic\nnext: python -m serving status; then",
        ),
        (
            ["promote"],
            "promote: version 2 has all traffic, and is the champion\nnext: python -m serving status; rollback,",
        ),
        (["rollback"], "rollback: version 2 has no traffic any more\nnext: python -m serving status; the next version"),
    ],
)
@pytest.mark.parametrize("where", ["embedded", "cluster"])
def test_a_change_is_reported_with_the_next_step_and_what_scores_cold_here(
    where: str, arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def check(state: Path, version: str) -> None:
        if version == "2":
            raise PushError("its vectors are away")

    monkeypatch.setattr(command, "Embedded", FakeTarget)
    monkeypatch.setattr(command, "cluster", lambda options, *named: FakeTarget(options.state, *named[:2]))
    monkeypatch.setattr(command, "check_pushed", check)
    monkeypatch.setattr(model_options, "Registry", FakeRegistry)
    monkeypatch.setattr(FakeRegistry, "champions", {"model": "1"}, raising=False)
    assert main([*arguments, "--tracking-uri", "nowhere", "--target", where]) == 0
    out = capsys.readouterr().out
    assert out.startswith(message)
    notes = [line for line in out.splitlines() if line.startswith("note: ")]
    assert len(notes) == (1 if where == "embedded" else 0)
    assert all(note.startswith("note: version 2 scores cold; its vectors are away") for note in notes)


def test_the_target_is_the_one_that_is_named(server: RecordingCluster) -> None:
    options = argparse.Namespace(target="cluster", state=Path("state"), tracking_uri=SERVER, image="", namespace="here")
    assert isinstance(command.target(options, Registry(SERVER), "tiny"), Cluster)
    options.target = "embedded"
    assert isinstance(command.target(options, Registry(SERVER), "tiny"), Embedded)


def test_a_cluster_that_cannot_be_found_is_reported_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise RuntimeError("no\n kubeconfig " * 40)

    monkeypatch.setattr(kserve, "KServeClient", refuse)
    options = argparse.Namespace(tracking_uri=SERVER, image="", namespace="here")
    with pytest.raises(DeploymentError) as error:
        command.cluster(options, Registry(SERVER), "tiny", "1")
    found = ("no kubeconfig " * 40)[:200]
    assert str(error.value) == f"cluster: expected a kubeconfig that can be used; found {found}. Set KUBECONFIG."
