"""Settings of a cluster's endpoint, as a file or in the pipeline's services."""

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from serving.deployment.cluster_settings import STANDARD, Deployment, add_endpoint, deployment_of, endpoint_of
from serving.deployment.errors import DeploymentError
from serving.settings.limits import Limits

MLFLOW = "http://mlflow:5000"


def test_settings_are_fields_and_the_rest_has_defaults() -> None:
    assert deployment_of("tiny", "1", MLFLOW, {}) == Deployment("tiny", "1", tracking_uri=MLFLOW)
    given = {"mode": STANDARD, "hostname": "a.b", "replicas": [2, 3], "limits": {"items": 7}, "ready_seconds": 5}
    found = deployment_of("tiny", "1", MLFLOW, given)
    assert (found.mode, found.hostname, found.replicas, found.limits) == (STANDARD, "a.b", (2, 3), Limits(items=7))


@pytest.mark.parametrize(
    "settings",
    [
        {"modus": "Standard"},
        {"digest": "a" * 64},
        {"version": "1"},
        {"cpu": 2},
        {"replicas": [1]},
        {"replicas": [3, 2]},
        {"replicas": [0, 0]},
        {"replicas": [True, 2]},
        {"replicas": "1,4"},
        {"ready_seconds": 0},
        {"ready_seconds": True},
        {"limits": "many"},
    ],
)
def test_what_is_no_setting_is_refused(settings: dict[str, Any]) -> None:
    (name,) = settings
    with pytest.raises(DeploymentError, match=rf"endpoint: expected .*{name}"):
        deployment_of("tiny", "1", MLFLOW, settings)


@pytest.mark.parametrize("uri", ["", "sqlite:///here.db"])
def test_a_registry_that_pods_cannot_reach_is_refused(uri: str) -> None:
    with pytest.raises(DeploymentError, match="expected an MLflow server that the cluster reaches too"):
        deployment_of("tiny", "1", uri, {})


@pytest.mark.parametrize("uri", ["https://me:not-for-all@mlflow", "postgresql://me:not-for-all@db/mlflow"])
def test_a_password_in_an_address_is_refused_and_not_printed(uri: str) -> None:
    with pytest.raises(DeploymentError, match="expected an address without a password") as error:
        deployment_of("tiny", "1", uri, {})
    assert "not-for-all" not in str(error.value)


def parsed(*arguments: str) -> dict[str, Any]:
    parser = argparse.ArgumentParser()
    add_endpoint(parser)
    return endpoint_of(parser.parse_args(arguments))


def test_the_command_line_names_a_file(tmp_path: Path) -> None:
    file = tmp_path / "endpoint.json"
    assert parsed() == {}
    settings = {"mode": STANDARD, "hostname": "rank.example.com", "limits": {"items": 7}}
    file.write_text(json.dumps(settings), encoding="utf-8")
    assert parsed("--endpoint", str(file)) == settings


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({"mode": "standard"}, "expected the mode Knative or Standard; found 'standard'"),
        ({"mode": STANDARD}, "expected for Standard mode the host name"),
        ({"image": "registry/image:latest"}, "expected an image with a tag other than latest"),
        ({"cpu": 2}, "expected str as cpu; found 2"),
        (
            {"mode": STANDARD, "hostname": "a.b", "address": "rank.example.com"},
            "expected an address of callers without a path, such as https://rank.example.com:8443",
        ),
        ({"mode": STANDARD, "hostname": "a.b", "address": "https://me:secret@a.b"}, "expected an address of callers"),
        ({"limits": {"itemz": 7}}, "limits.*itemz"),
    ],
)
def test_what_cannot_be_deployed_is_refused_before_a_run_begins(
    tmp_path: Path, settings: dict[str, Any], found: str
) -> None:
    file = tmp_path / "endpoint.json"
    file.write_text(json.dumps(settings), encoding="utf-8")
    with pytest.raises(DeploymentError, match=f"--endpoint.*{found}"):
        parsed("--endpoint", str(file))


@pytest.mark.parametrize("text", ["[]", "{", '{"mode": 1}', '{"modus": "Standard"}', None])
def test_a_file_that_is_none_is_reported(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "endpoint.json"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    with pytest.raises(DeploymentError, match=f"--endpoint.*{file}"):
        parsed("--endpoint", str(file))
