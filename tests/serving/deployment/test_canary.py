"""Two versions on one machine with real KServe, Envoy and supervisord, under constant load."""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc  # type: ignore[import-untyped]
import psutil  # type: ignore[import-untyped]
import pytest
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub
from mlflow import MlflowClient

from feature_repo.push import push
from feature_repo.store import open_store
from models.training.artifact import save_model
from models.training.encoder import encoder_in
from serving.deployment import endpoint
from serving.deployment.embedded import Embedded, EndpointOptions
from serving.deployment.endpoint import Endpoint
from serving.deployment.rollout import Rollout
from serving.errors import RegistryError
from serving.versions.registry import Registry
from tests.serving.deployment.load import load
from tests.serving.requests import v1
from tests.serving.running import wait_until
from tests.serving.server.test_grpc import request
from tests.serving.stubbed import live_processes
from tests.serving.world import World, copy_store

pytestmark = pytest.mark.long(65)

BACK_WITHIN = 30.0
"""Seconds; docs/operations.md promises it."""


@dataclass(frozen=True)
class Site:
    """An endpoint with three versions that passed the gate; the first is served."""

    state: Path
    registry: Registry
    target: Embedded
    rollout: Rollout
    endpoint: Endpoint

    def worker(self, version: str) -> int:
        """The process that serves a version."""
        (found,) = [
            pid
            for pid in live_processes(self.state)
            if any(f"/servers/{version}-" in part for part in psutil.Process(pid).cmdline())
        ]
        return int(found)


@pytest.fixture(scope="module")
def site(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    from serving.versions.bundle import write_bundle

    folder = tmp_path_factory.mktemp("site")
    state = folder / "state"
    artifact = save_model(world.model, folder / "model")
    registry = Registry(f"sqlite:///{state}/mlflow/mlflow.db")
    gate = {"gate": {"decision": "promote", "reasons": ["Not worse."]}}
    for number in ("1", "2", "3"):
        bundle = write_bundle(artifact, world.spec, gate, {"n": number}, folder / number, world.prior)
        assert registry.log_version(world.name, bundle) == number
    registry.promote(world.name, "1")
    config = copy_store(world, state)
    store = open_store(config)
    for number in ("2", "3"):
        push(store, world.spec, world.state.parent / "vectors", number, encoder_in(artifact), served=["1"])
    target = Embedded(state, registry, world.name)
    served = endpoint.up(state, registry.tracking_uri, world.name, store_config=config)
    yield Site(state, registry, target, Rollout(target, registry, world.name), served)
    endpoint.down(state)
    assert live_processes(state) == []


def test_a_version_takes_its_share_then_everything_and_goes_back_and_no_request_fails(site: Site, world: World) -> None:
    with load(site.endpoint.url, v1(world, *world.keys("item"))) as callers:
        assert callers.shares(0.0) == {"1": 1.0}
        for percent in (10, 50):
            site.rollout.canary("2", percent)
            callers.await_version("2")
            assert callers.shares(time.monotonic())["2"] == pytest.approx(percent / 100, abs=0.05)
        assert versions_over_grpc(site, world) == {"1", "2"}
        # The canary is killed: the other version serves the requests in flight and the new ones.
        killed = site.worker("2")
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: endpoint.status(site.state).state == "unhealthy")
        assert callers.shares(time.monotonic(), least=50).keys() >= {"1"}
        wait_until(lambda: endpoint.status(site.state).state == "up")
        assert site.worker("2") != killed
        site.rollout.promote()
        assert callers.shares(time.monotonic()) == {"2": 1.0}
        assert site.registry.champion(world.name) == "2"
        site.rollout.rollback()
        assert callers.shares(time.monotonic()) == {"1": 1.0}
        assert site.registry.champion(world.name) == "1"
    assert callers.failed() == []
    # Each version has its own vectors in the store.
    assert not any(prediction["member_cold"] for response in callers.responses for prediction in response.predictions)


def bundle_of(site: Site, world: World, version: str) -> str:
    """The folder with a version's files in the registry."""
    client = MlflowClient(site.registry.tracking_uri, site.registry.tracking_uri)
    return client.get_model_version_download_uri(world.name, version).removeprefix("file://")


def versions_over_grpc(site: Site, world: World) -> set[str]:
    with grpc.insecure_channel(site.endpoint.grpc) as channel:
        stub = GRPCInferenceServiceStub(channel)
        return {stub.ModelInfer(request(world, 1), timeout=20).model_version for _ in range(10)}


def test_the_only_worker_is_killed_and_comes_back(site: Site, world: World) -> None:
    with load(site.endpoint.url, v1(world, 1)) as callers:
        callers.shares(0.0, least=20)
        begun = time.monotonic()
        os.kill(site.worker("1"), signal.SIGKILL)
        wait_until(lambda: any(response.status == 503 for response in callers.since(begun)))
        wait_until(lambda: callers.responses[-1].status == 200, seconds=BACK_WITHIN)
        back = time.monotonic()
        callers.shares(back, least=50)
        assert [response for response in callers.since(back) if response.status != 200] == []
    assert {response.status for response in callers.responses} == {200, 503}
    for response in callers.failed():
        assert response.headers["retry-after"] == "1"
        assert response.text.startswith('{"error":')


def test_a_version_that_was_tampered_with_is_refused_and_no_caller_notices(site: Site, world: World) -> None:
    weights = Path(bundle_of(site, world, "3")) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    with load(site.endpoint.url, v1(world, 1)) as callers:
        before = live_processes(site.state)
        with pytest.raises(RegistryError, match="expected sha256"):
            site.rollout.canary("3", 10)
        with pytest.raises(RegistryError, match="expected sha256"):
            site.target.up("3", world.store_config, EndpointOptions())
        assert live_processes(site.state) == before
        begun = time.monotonic()
        assert callers.shares(begun, least=20) == {"1": 1.0}
    assert callers.failed() == []
