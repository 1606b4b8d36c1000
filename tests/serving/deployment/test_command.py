"""``python -m serving`` for a cluster: the registry and the limits of its pods."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kserve
import pytest
import yaml

from models.command_line import LEADING
from serving.__main__ import main
from serving.deployment import cluster as clusters
from serving.deployment import command, model_options
from serving.deployment.cluster_settings import STANDARD
from serving.deployment.embedded import Embedded
from serving.deployment.errors import DeploymentError
from serving.deployment.knative import Knative
from serving.deployment.standard import Standard
from tests.serving.deployment.clusters import DOCUMENT, Cluster, digest_of, running_cluster, variable
from tests.serving.stubbed import FakeRegistry

SERVER = "https://mlflow.example:5000"
ONE = ["--model", "tiny", "--version", "1"]


class ServerRegistry(FakeRegistry):
    """The registry at any address."""

    def __init__(self, tracking_uri: str) -> None:
        self.tracking_uri = tracking_uri


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> ServerRegistry:
    monkeypatch.setattr(model_options, "Registry", ServerRegistry)
    FakeRegistry.reset(tiny="1", model="1")
    return ServerRegistry(SERVER)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Cluster]:
    with running_cluster(tmp_path / "certificate") as cluster:
        monkeypatch.setattr(kserve, "KServeClient", lambda: cluster.client)
        monkeypatch.setattr(clusters, "registered_request", lambda *_: DOCUMENT)
        yield cluster


def sent(cluster: Cluster) -> list[dict[str, Any]]:
    """The bodies that name containers."""
    bodies = [body for _, _, body in cluster.server.written() if body]
    return [body for body in bodies if "containers" in body["spec"].get("predictor", {})]


@pytest.mark.parametrize("command", [["manifest"], ["up", "--target", "cluster"]])
@pytest.mark.parametrize(
    ("uri", "found"), [(["--tracking-uri", "sqlite:////here.db"], "sqlite:////here.db"), ([], "none")]
)
def test_a_registry_that_the_cluster_cannot_reach_is_refused(
    command: list[str],
    uri: list[str],
    found: str,
    cluster: Cluster,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "mlflow").mkdir()
    (tmp_path / "mlflow" / "mlflow.db").touch()
    assert main([*command, *ONE, *uri, "--state", str(tmp_path)]) == 1
    printed = capsys.readouterr()
    assert f"--tracking-uri: expected an MLflow server that the cluster reaches too; found {found}." in printed.err
    assert (printed.out, cluster.server.requests) == ("", [])


def test_the_registry_that_is_named_reaches_the_container(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["manifest", *ONE, "--tracking-uri", SERVER]) == 0
    printed = yaml.safe_load(capsys.readouterr().out)
    assert main(["up", "--target", "cluster", *ONE, "--tracking-uri", SERVER]) == 0
    for body in (printed, *sent(cluster)):
        assert variable(body, "MLFLOW_TRACKING_URI") == SERVER
        assert variable(body, "HELIOGRAPH_DIGEST") == digest_of("1")


def test_every_command_works_on_a_cluster(cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = tmp_path / "endpoint.json"
    settings.write_text(json.dumps({"mode": STANDARD, "hostname": "rank.example.com"}), encoding="utf-8")
    where = ["--target", "cluster", "--model", "tiny", "--tracking-uri", SERVER, "--endpoint", str(settings)]

    def run_command(*arguments: str, status: int = 0) -> str:
        assert main([*arguments, *where]) == status
        printed = capsys.readouterr()
        return printed.out + printed.err

    assert "down\nnext: python -m serving up --target cluster" in run_command("status", status=3)
    assert "http://rank.example.com/v1/models/tiny:predict\ngRPC rank.example.com:80" in run_command("up")
    assert "version candidate has 20 % of the traffic" in run_command("canary", "--percent", "20")
    status = run_command("status")
    assert "up: tiny version 1\n" in status
    assert "version 1: 80 % of the traffic\nversion candidate: 20 % of the traffic\nchampion: version 1" in status
    assert "version candidate has all traffic, and is the champion" in run_command("promote")
    assert "champion: version candidate, previous: version 1" in run_command("status")
    assert "version candidate has no traffic any more" in run_command("rollback")
    assert FakeRegistry.champions["tiny"] == "1"
    assert "error: tiny: expected a canary or a previous version" in run_command("rollback", status=1)
    assert "down: stopped" in run_command("down")
    assert "down: was not running" in run_command("down")
    route = list(yaml.safe_load_all(run_command("manifest")))[1]
    assert (route["kind"], route["spec"]["hostnames"]) == ("HTTPRoute", ["rank.example.com"])


def test_the_champion_is_unchanged_where_a_version_does_not_come_up(
    cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = tmp_path / "endpoint.json"
    settings.write_text(json.dumps({"ready_seconds": 0.2}), encoding="utf-8")
    where = ["--target", "cluster", "--model", "tiny", "--tracking-uri", SERVER, "--endpoint", str(settings)]
    assert main(["up", *where]) == 0
    cluster.kserve.broken.add("candidate")
    assert main(["canary", *where]) == 1
    assert "RevisionFailed" in capsys.readouterr().err
    assert (FakeRegistry.champions["tiny"], FakeRegistry.canaries) == ("1", {})


def test_the_limits_reach_the_container(cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    limits = tmp_path / "limits.json"
    limits.write_text('{"items": 50}', encoding="utf-8")
    up = ["up", "--target", "cluster", *ONE, "--tracking-uri", SERVER, "--limits", str(limits)]
    assert main(up) == 0
    (body,) = sent(cluster)
    assert json.loads(variable(body, "HELIOGRAPH_LIMITS")) == {"items": 50}
    limits.write_text('{"items": "50"}', encoding="utf-8")
    assert main(up) == 1
    assert "expected a whole number above 0 as items; found '50'" in capsys.readouterr().err
    assert len(sent(cluster)) == 1


MODEL: dict[str, object] = {"state": Path("state"), "model": None, "tracking_uri": None}
TARGET = {"target": "embedded", "namespace": None, "image": None, "endpoint": None}
LISTENING = {"port": None, "host": None, "store_config": None, "token_file": None}


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("up", {"limits": None, "version": None, **LISTENING}),
        ("status", {}),
        ("down", {}),
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

    main = "1"

    def __init__(self, state: Path, registry: object, name: str) -> None:
        assert (state, name) == (Path("state"), "model")

    def canary(self, version: str, percent: int) -> None:
        """Do nothing."""

    def candidate(self) -> str:
        return "2"

    def promote(self, version: str) -> None:
        self.main = version

    def rollback(self, champion: str | None, previous: str | None) -> str:
        return "2"

    def version(self) -> str:
        return self.main

    def traffic(self) -> dict[str, int]:
        return {"1": 90, "2": 10}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["canary", "--version", "2"],
            "canary: version 2 has 10 % of the traffic\nnext: python -m serving status{0}; then",
        ),
        (
            ["promote"],
            "promote: version 2 has all traffic, and is the champion\nnext: python -m serving status{0}; rollback,",
        ),
        (
            ["rollback"],
            "rollback: version 2 has no traffic any more\nnext: python -m serving status{0}; the next version",
        ),
    ],
)
@pytest.mark.parametrize("where", ["embedded", "cluster"])
def test_a_change_is_reported_with_the_next_step(
    where: str, arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "Embedded", FakeTarget)
    monkeypatch.setattr(command, "cluster", lambda options, *named: FakeTarget(options.state, *named[:2]))
    assert main([*arguments, "--model", "model", "--tracking-uri", "nowhere", "--target", where]) == 0
    options = f"{'' if where == 'embedded' else ' --target cluster'} --model model --tracking-uri nowhere"
    assert capsys.readouterr().out.startswith(message.format(options))


def options(**given: object) -> argparse.Namespace:
    """Options as the command line gives them."""
    where = {"state": Path("state"), "tracking_uri": SERVER, "image": None, "namespace": None, "endpoint": None}
    return argparse.Namespace(**{**where, **given})


def test_the_target_is_the_one_that_is_named(cluster: Cluster, registry: Any, tmp_path: Path) -> None:
    assert isinstance(command.target(options(target="cluster"), registry, "tiny"), Knative)
    assert isinstance(command.target(options(target="embedded"), registry, "tiny"), Embedded)
    file = tmp_path / "endpoint.json"
    file.write_text(json.dumps({"mode": STANDARD, "hostname": "rank.example.com"}), encoding="utf-8")
    assert isinstance(command.target(options(target="cluster", endpoint=file), registry, "tiny"), Standard)


def test_a_cluster_that_cannot_be_found_is_reported_in_a_line(registry: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise RuntimeError("no\n kubeconfig " * 40)

    monkeypatch.setattr(kserve, "KServeClient", refuse)
    with pytest.raises(DeploymentError) as error:
        command.cluster(options(), registry, "tiny")
    found = ("no kubeconfig " * 40)[:200]
    assert str(error.value) == f"cluster: expected a kubeconfig that can be used; found {found}. Set KUBECONFIG."


def test_errors_name_every_command_with_the_options_that_it_takes() -> None:
    assert set(command.COMMANDS) - {"manifest"} < set(LEADING["serving"])
