"""The controller with processes of no engine: a predictor is a thread that answers its readiness probe."""

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from serving.deployment.cluster_settings import Deployment
from serving.deployment.http_route import http_route, service_name
from serving.deployment.inference_service import inference_service, share
from tests.rehearsal.controller import Controller, controller
from tests.rehearsal.engine import Container
from tests.standins.api_requests import merged
from tests.standins.api_server import ApiServer, api_server

NAMESPACE, SECRETS = "heliograph", {"heliograph": {"FEAST_REDIS": "redis:6379"}}


class Ready(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


class FakeProcess:
    """What ``podman run`` is to its caller."""

    returncode: int | None = None

    def poll(self) -> int | None:
        return self.returncode


class FakeEngine:
    """``started``: containers in order; versions in ``broken`` exit at once."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.servers: dict[str, ThreadingHTTPServer] = {}
        self.broken: set[str] = set()

    def start(self, container: Container, log: Path) -> FakeProcess:
        self.started.append(container.name)
        process = FakeProcess()
        if container.environment["HELIOGRAPH_VERSION"] in self.broken:
            process.returncode = 1
            return process
        server = ThreadingHTTPServer(("127.0.0.1", int(container.environment["PORT"])), Ready)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        self.servers[container.name] = server
        return process

    def remove(self, name: str) -> None:
        server = self.servers.pop(name, None)
        if server is not None:
            server.shutdown()
            server.server_close()


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ApiServer]:
    with api_server(tmp_path / "kubernetes") as running:
        yield running


@pytest.fixture
def running(server: ApiServer, engine: FakeEngine, tmp_path: Path) -> Iterator[Controller]:
    with controller(server, engine, tmp_path, SECRETS) as found:  # type: ignore[arg-type]
        yield found


def awaited(found: Callable[[], Any]) -> Any:
    """Wait until something is true; return it."""
    deadline = time.monotonic() + 30
    while not (value := found()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
    return value


def deployment(version: str, mode: str = "Knative") -> Deployment:
    hostname = "rank.example" if mode == "Standard" else ""
    return Deployment("model", version, image="image:1", digest="0" * 64, mode=mode, hostname=hostname)


def traffic(server: ApiServer) -> dict[str, int]:
    status = (server.get("inferenceservices", NAMESPACE, "model") or {}).get("status", {})
    found = status.get("components", {}).get("predictor", {}).get("traffic", [])
    return {one["revisionName"].rsplit("-", 1)[1].lstrip("0"): one["percent"] for one in found}


def patch(server: ApiServer, change: dict[str, Any]) -> None:
    old = server.get("inferenceservices", NAMESPACE, "model")
    server.write(("inferenceservices", NAMESPACE, "model"), merged(old, change))


def test_knative_shares_between_revisions_and_ends_the_one_without_traffic(
    server: ApiServer, engine: FakeEngine, running: Controller
) -> None:
    server.load([inference_service(deployment("1"))])
    awaited(lambda: traffic(server) == {"1": 100})
    patch(server, inference_service(deployment("2"), 20))
    awaited(lambda: traffic(server) == {"2": 20, "1": 80})
    patch(server, share(100))
    awaited(lambda: traffic(server) == {"2": 100})
    awaited(lambda: list(engine.servers) == ["heliograph-model-2"])
    found = server.get("inferenceservices", NAMESPACE, "model") or {}
    assert found["status"]["observedGeneration"] == found["metadata"]["generation"]
    assert all(one.ready_after for one in running.every)


def test_a_canary_that_exits_leaves_what_serves(server: ApiServer, engine: FakeEngine, running: Controller) -> None:
    engine.broken.add("2")
    server.load([inference_service(deployment("1"))])
    awaited(lambda: traffic(server) == {"1": 100})
    patch(server, inference_service(deployment("2"), 20))
    newest = awaited(lambda: next((one for one in running.every if "00002" in one.name and one.error), None))
    assert "exited with 1" in newest.error
    assert traffic(server) == {"1": 100}
    awaited(lambda: engine.started.count("heliograph-model-2") == 3)


def test_a_route_sends_to_the_services_that_it_names(
    server: ApiServer, engine: FakeEngine, running: Controller
) -> None:
    for version in ("1", "2"):
        described = deployment(version, "Standard")
        server.load([inference_service(described, name=service_name(described, version))])
    server.load([http_route(deployment("1", "Standard"), {"1": 80, "2": 20})])
    awaited(lambda: len(engine.servers) == 2)
    gateway = awaited(lambda: running.routes.get("model"))[1]
    awaited(lambda: len(gateway._backends) == 2)
    assert sorted(one.weight for one in gateway._backends) == [20, 80]
    assert all(one.grpc is not None for one in gateway._backends)
    awaited(lambda: available(server, "2") == 1)
    server.delete(("inferenceservices", NAMESPACE, service_name(deployment("2", "Standard"), "2")))
    awaited(lambda: len(engine.servers) == 1)
    awaited(lambda: available(server, "2") is None)


def available(server: ApiServer, version: str) -> int | None:
    """The pods of a version's Deployment that are ready; None where there is none."""
    name = service_name(deployment(version, "Standard"), version)
    found = server.get("deployments", NAMESPACE, f"{name}-predictor")
    return None if found is None else found.get("status", {}).get("availableReplicas")


def test_without_its_secret_a_service_is_not_ready_and_says_why(
    server: ApiServer, engine: FakeEngine, tmp_path: Path
) -> None:
    with controller(server, engine, tmp_path, {}):  # type: ignore[arg-type]
        server.load([inference_service(deployment("1"))])
        found = awaited(
            lambda: next(
                (
                    one
                    for one in (server.get("inferenceservices", NAMESPACE, "model") or {})
                    .get("status", {})
                    .get("conditions", [])
                    if one.get("message")
                ),
                None,
            )
        )
    assert found["status"] == "False"
    assert "expected the Secret heliograph" in found["message"]
