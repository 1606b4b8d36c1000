"""``python -m serving`` for a cluster: the registry and the limits of its pods."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kserve
import pytest
import yaml

from serving.__main__ import main
from serving.versions.registry import Registry
from tests.serving.deployment.cluster_server import RecordingCluster, recording_cluster

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
    said = capsys.readouterr()
    assert f"--tracking-uri: expected an MLflow server that the cluster reaches too; found {found}." in said.err
    assert (said.out, server.requests) == ("", [])


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
