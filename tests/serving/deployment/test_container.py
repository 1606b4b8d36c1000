"""The container's entry point, with a real registry and a real server process."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from models.served import read
from serving.deployment import container
from serving.deployment.container import settings_of
from serving.errors import EndpointError, RegistryError
from serving.server.loading import load
from serving.settings.limits import Limits
from serving.settings.listening import free_port
from serving.versions.registry import Registry
from tests.s3_server import bucket, s3_server
from tests.serving.running import wait_until
from tests.serving.world import CONFIG, World

__all__ = ["bucket", "s3_server"]


def environment(world: World, folder: Path, **changes: str) -> dict[str, str]:
    return {
        "HELIOGRAPH_MODEL": world.name,
        "HELIOGRAPH_VERSION": world.version,
        "MLFLOW_TRACKING_URI": world.tracking_uri,
        "HELIOGRAPH_STORE": str(world.store_config),
        "HELIOGRAPH_WORK": str(folder),
        "HELIOGRAPH_HOST": "127.0.0.1",
        **changes,
    }


def test_the_version_is_fetched_verified_and_served_until_sigterm(world: World, tmp_path: Path, bucket: str) -> None:
    """Then the impressions are in object storage."""
    port, ports = free_port("127.0.0.1"), {"HELIOGRAPH_GRPC_PORT": str(free_port("127.0.0.1"))}
    given = environment(world, tmp_path, PORT=str(port), HELIOGRAPH_SERVED=bucket, **ports)
    process = subprocess.Popen([sys.executable, "-m", "serving.deployment.container"], env={**os.environ, **given})
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            wait_until(lambda: ready(client))
            request = {
                "member": world.keys("member")[1],
                "items": world.keys("item")[:2],
                "context": {"surface": "push"},
            }
            response = client.post(f"/v1/models/{world.name}:predict", json={"instances": [request]})
            assert response.json()["predictions"][0]["model_version"] == world.version
    finally:
        process.terminate()
    assert process.wait(timeout=30) == 0
    assert list(read(bucket, model=world.name)["position"]) == [0, 1]


def ready(client: httpx.Client) -> bool:
    try:
        return client.get("/v2/health/ready").status_code == 200
    except httpx.TransportError:
        return False


def test_a_restart_needs_no_registry_and_takes_no_other_bundle(world: World, tmp_path: Path) -> None:
    registry = Registry(world.tracking_uri)
    digest = registry.digest(world.name, world.version)
    given = environment(world, tmp_path, HELIOGRAPH_DIGEST=digest)
    first = settings_of(given)
    assert first.digest == digest
    away = {**given, "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/nobody.db"}
    assert settings_of(away) == first
    with pytest.raises(RegistryError, match=r"expected digest 0{12}\.\.\., as it was deployed"):
        settings_of({**given, "HELIOGRAPH_DIGEST": "0" * 64})
    (Path(first.bundle) / "spec.json").write_text("{}", encoding="utf-8")
    with pytest.raises(RegistryError, match=r"spec\.json: expected sha256"):
        load(first)
    assert settings_of(given).bundle == first.bundle  # fetched anew


def test_the_limits_are_the_deployments_and_the_ports_are_fixed(world: World, tmp_path: Path) -> None:
    settings = settings_of(environment(world, tmp_path, HELIOGRAPH_LIMITS='{"concurrent": 3}'))
    assert settings.limits == Limits(concurrent=3)
    assert (settings.port, settings.grpc_port) == (8080, 8081)


def test_the_image_opens_the_clusters_store(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CONFIG.parent.parent)
    given = environment(world, tmp_path)
    del given["HELIOGRAPH_STORE"]
    assert settings_of(given).store_config == str(CONFIG.with_name("feature_store.cluster.yaml"))


@pytest.mark.parametrize(
    ("changes", "error", "reason"),
    [
        ({"HELIOGRAPH_MODEL": ""}, EndpointError, "HELIOGRAPH_MODEL: expected a value"),
        ({"HELIOGRAPH_STORE": "nowhere.yaml"}, EndpointError, "HELIOGRAPH_STORE: expected a feature_store.yaml"),
        ({"PORT": "http"}, EndpointError, "PORT: expected a whole number"),
        ({"HELIOGRAPH_GRPC_PORT": "0"}, EndpointError, "HELIOGRAPH_GRPC_PORT: expected a whole number"),
        ({"HELIOGRAPH_LIMITS": '{"concurrent": 0}'}, EndpointError, "HELIOGRAPH_LIMITS: expected a whole number"),
        ({"HELIOGRAPH_VERSION": "99"}, RegistryError, "expected a registered version"),
    ],
)
def test_what_is_missing_or_wrong_is_named(
    world: World, tmp_path: Path, changes: dict[str, str], error: type[Exception], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        settings_of(environment(world, tmp_path, **changes))


@pytest.mark.parametrize(("port", "allowed"), [("0", False), ("1", True), ("65535", True), ("65536", False)])
def test_a_port_is_from_1_to_65535(world: World, tmp_path: Path, port: str, allowed: bool) -> None:
    given = environment(world, tmp_path, PORT=port)
    if allowed:
        assert settings_of(given).port == int(port)
    else:
        with pytest.raises(EndpointError, match=f"PORT: expected a whole number, 1 to 65535; found '{port}'"):
            settings_of(given)


def test_what_cannot_be_served_is_reported_and_ends_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("HELIOGRAPH_MODEL", raising=False)
    assert container.main() == 1
    assert capsys.readouterr().err.startswith(
        "error: HELIOGRAPH_MODEL: expected a value in the environment; found none"
    )
