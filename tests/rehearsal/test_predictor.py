from pathlib import Path
from typing import Any

import pytest
from kubernetes.client import ApiClient

from serving.deployment.cluster_settings import Deployment
from serving.deployment.inference_service import inference_service
from tests.rehearsal.predictor import PredictorError, predictor

SECRETS = {"heliograph": {"FEAST_REDIS": "redis:6379"}}


@pytest.fixture
def spec() -> dict[str, Any]:
    """The predictor of the manifest that we deploy."""
    made = inference_service(Deployment("model", "3", image="image:1", digest="0" * 64))
    found: dict[str, Any] = ApiClient().sanitize_for_serialization(made)["spec"]["predictor"]
    return found


def test_the_container_is_that_of_the_manifest(spec: dict[str, Any], tmp_path: Path) -> None:
    found = predictor("pod", spec, tmp_path, SECRETS, (5001, 5002))
    assert found.image == "image:1"
    assert (found.user, found.memory, found.cpus) == (1000, 3 << 30, 2)
    assert found.environment["HELIOGRAPH_VERSION"] == "3"
    assert found.environment["FEAST_REDIS"] == "redis:6379"
    assert (found.environment["PORT"], found.environment["HELIOGRAPH_GRPC_PORT"]) == ("5001", "5002")
    assert {mount.target for mount in found.mounts} == {"/work", "/tmp"}
    assert not any(mount.read_only for mount in found.mounts)


def test_without_its_secret_it_does_not_start(spec: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(PredictorError, match="expected the Secret heliograph; found none"):
        predictor("pod", spec, tmp_path, {}, (1, 2))


@pytest.mark.parametrize("key", ["readOnlyRootFilesystem", "runAsNonRoot", "allowPrivilegeEscalation", "capabilities"])
def test_a_context_that_is_not_restricted_is_refused(spec: dict[str, Any], tmp_path: Path, key: str) -> None:
    spec["containers"][0]["securityContext"][key] = {}
    with pytest.raises(PredictorError, match="restricted security context"):
        predictor("pod", spec, tmp_path, SECRETS, (1, 2))
