"""A server process from start to stop: readiness, the token, draining, overload, and its log."""

import json
import signal
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import httpx
import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as protocol
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

from serving.settings.limits import Limits
from tests.serving.requests import v1, v2
from tests.serving.running import RunningServer, broken_store, logged_lines, running_server, wait_until
from tests.serving.server.test_grpc import request
from tests.serving.world import World

pytestmark = pytest.mark.long(25)

TOKEN = "a-token-of-some-length"
BEARER = {"authorization": f"Bearer {TOKEN}"}
SECRET = "marker-of-a-payload"


def predict(world: World) -> str:
    return f"/v1/models/{world.name}:predict"


class Caller(threading.Thread):
    """Sends requests over one connection until a response closes it."""

    def __init__(self, server: RunningServer, world: World) -> None:
        super().__init__()
        self.responses: list[tuple[int, str]] = []
        self.error: Exception | None = None
        self._server, self._world = server, world
        self.start()

    def run(self) -> None:
        document = v1(self._world, *self._world.keys("item"))
        try:
            with self._server.client() as client:
                while not self.responses or self.responses[-1][1] != "close":
                    response = client.post(predict(self._world), json=document)
                    self.responses.append((response.status_code, response.headers.get("connection", "")))
        except Exception as error:
            self.error = error


def test_ready_follows_the_store_and_stopping_drops_no_request(world: World, tmp_path: Path) -> None:
    with ExitStack() as outage:
        outage.enter_context(broken_store(world))
        with running_server(world, tmp_path, Limits(wait_seconds=10)) as server, server.client() as client:
            for path in ("/v2/health/ready", f"/v2/models/{world.name}/ready", f"/v1/models/{world.name}"):
                assert server.probe(path) == 503
            (found,) = client.post(predict(world), json=v1(world, 1)).json()["predictions"]
            assert found["fallback"] is True
            assert server.probe("/v2/health/live") == 200
            outage.close()
            wait_until(lambda: server.probe("/v2/health/ready") == 200)
            callers = [Caller(server, world) for _ in range(6)]
            wait_until(lambda: all(len(caller.responses) > 3 for caller in callers))
            assert server.stop() == 0
            for caller in callers:
                caller.join(20)
                assert caller.error is None
                assert {status for status, _ in caller.responses} == {200}
                assert caller.responses[-1][1] == "close"
            assert server.probe("/v2/health/live") is None
            received = sum(len(caller.responses) for caller in callers)
            lines = logged_lines(tmp_path / "served")
            assert len({line["request"] for line in lines}) == received + 1


def test_after_sigterm_it_is_not_ready_and_finishes_requests_in_flight(world: World, tmp_path: Path) -> None:
    body = json.dumps(v1(world, 1, 6)).encode()
    lines = (f"POST {predict(world)} HTTP/1.1", "host: a", "content-type: application/json")
    head = "".join(f"{line}\r\n" for line in (*lines, f"content-length: {len(body)}", "")).encode()
    wide = request(world, *range(500))
    with running_server(world, tmp_path, Limits(drain_seconds=60, wait_seconds=30, deadline_seconds=30)) as server:
        wait_until(lambda: server.probe("/v2/health/ready") == 200)
        with (
            socket.create_connection(("127.0.0.1", server.settings.port), timeout=20) as slow,
            grpc.insecure_channel(server.grpc, options=[("grpc.enable_http_proxy", 0)]) as channel,
        ):
            stub = GRPCInferenceServiceStub(channel)
            stub.ModelInfer(wide, timeout=20)
            slow.sendall(head + body[:10])
            calls = [stub.ModelInfer.future(wide, timeout=30) for _ in range(30)]
            server.process.send_signal(signal.SIGTERM)
            wait_until(lambda: server.probe("/v2/health/ready") == 503)
            assert server.probe("/v2/health/live") == 200
            assert {call.code() for call in calls} == {grpc.StatusCode.OK}
            assert not stub.ServerReady(protocol.ServerReadyRequest(), timeout=20).ready
            slow.sendall(body[10:])
            response = b"".join(iter(lambda: slow.recv(65_536), b""))
        assert response.startswith(b"HTTP/1.1 200 ")
        assert b"connection: close" in response
        assert server.process.wait(60) == 0


@pytest.fixture(scope="module")
def strict(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One request at a time, one waiting, none without the token."""
    folder = tmp_path_factory.mktemp("strict")
    (folder / "token").write_text(TOKEN, encoding="utf-8")
    limits = Limits(concurrent=1, waiting=1, wait_seconds=0.05)
    with running_server(world, folder, limits, str(folder / "token")) as server:
        wait_until(lambda: server.probe("/v2/health/ready") == 200)
        yield server


@pytest.fixture(scope="module")
def stub(strict: RunningServer) -> Iterator[GRPCInferenceServiceStub]:
    with grpc.insecure_channel(strict.grpc, options=[("grpc.enable_http_proxy", 0)]) as channel:
        yield GRPCInferenceServiceStub(channel)


def test_without_the_token_only_probes_are_open(
    strict: RunningServer, stub: GRPCInferenceServiceStub, world: World
) -> None:
    with strict.client() as client:
        for path in ("/", "/v2/health/live", "/v2/health/ready", f"/v2/models/{world.name}/ready"):
            assert client.get(path).status_code == 200
        for path in ("/metrics", "/v2", "/v2/models", f"/v2/models/{world.name}", "/ui/members"):
            response = client.get(path)
            assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")
        assert client.post(predict(world), json=v1(world, 1)).status_code == 401
        assert client.post(predict(world), json=v1(world, 1), headers={"authorization": "Bearer no"}).status_code == 401
        assert client.post(predict(world), json=v1(world, 1), headers=BEARER).status_code == 200
        assert client.get("/metrics", headers=BEARER).status_code == 200
    assert stub.ServerReady(protocol.ServerReadyRequest(), timeout=20).ready
    for metadata in ((), (("authorization", "Bearer no"),)):
        with pytest.raises(grpc.RpcError) as error:
            stub.ModelInfer(request(world, 1), timeout=20, metadata=metadata)
        assert error.value.code() is grpc.StatusCode.UNAUTHENTICATED
    found = stub.ModelInfer(request(world, 1), timeout=20, metadata=tuple(BEARER.items()))
    assert found.model_version == world.version
    command = Path(f"/proc/{strict.process.pid}/cmdline").read_text(encoding="utf-8")
    settings = (strict.log.parent / "settings.json").read_text(encoding="utf-8")
    assert TOKEN not in command + settings


def test_a_late_grpc_call_is_unavailable(strict: RunningServer, stub: GRPCInferenceServiceStub, world: World) -> None:
    metadata = (*BEARER.items(), ("x-request-timeout-ms", "1"))
    with pytest.raises(grpc.RpcError) as error:
        stub.ModelInfer(request(world, *range(500)), timeout=20, metadata=metadata)
    assert (error.value.code(), "0.001 s" in error.value.details()) == (grpc.StatusCode.UNAVAILABLE, True)


def test_beyond_the_queue_requests_get_429(strict: RunningServer, stub: GRPCInferenceServiceStub, world: World) -> None:
    heavy = {"instances": v1(world, *range(500))["instances"] * 8}
    done = threading.Event()

    def send() -> list[httpx.Response]:
        responses = []
        with strict.client(headers=BEARER) as client:
            while not done.is_set():
                responses.append(client.post(predict(world), json=heavy))
        return responses

    def exhausted() -> bool:
        call = stub.ModelInfer.future(request(world, 1), timeout=20, metadata=tuple(BEARER.items()))
        return call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED  # waits for the response

    with ThreadPoolExecutor(5) as callers:
        pending = [callers.submit(send) for _ in range(5)]
        try:
            wait_until(exhausted)
            assert strict.probe("/v2/health/ready") == 200
        finally:
            done.set()
    responses = [response for future in pending for response in future.result()]
    assert {response.status_code for response in responses} == {200, 429}
    for response in responses:
        if response.status_code == 429:
            assert response.headers["retry-after"] == "1"
            assert set(response.json()) == {"error"}


def test_the_log_has_nothing_of_a_payload(strict: RunningServer, world: World, tmp_path: Path) -> None:
    number = 918_273_645_546
    requests: list[tuple[str, Any]] = [
        (predict(world), v1(world, number, device=SECRET)),
        (predict(world), v1(world, number, **{SECRET: 1})),
        (predict(world), {"instances": SECRET}),
        (f"/v2/models/{world.name}/infer", v2(world, number, device=("BYTES", [SECRET]))),
        (f"/v2/models/{world.name}/infer", v2(world, number, **{SECRET: ("BYTES", [SECRET])})),
        (f"/v2/models/{world.name}/infer", {**v2(world, number), "id": [SECRET]}),
        (f"/v1/models/{SECRET}:predict", v1(world, number)),
        (f"/{SECRET}", {SECRET: SECRET}),
    ]
    with strict.client(headers=BEARER) as client:
        statuses = [client.post(path, json=document).status_code for path, document in requests]
        with broken_store(world):
            statuses.append(client.post(predict(world), json=v1(world, number, device=SECRET)).status_code)
        late = {"x-request-timeout-ms": "1"}
        heavy = {"instances": v1(world, *range(500), device=SECRET)["instances"] * 16}
        statuses.append(client.post(predict(world), json=heavy, headers=late).status_code)
    assert statuses == [200, 400, 400, 200, 400, 400, 404, 404, 200, 503]
    text = strict.log.read_text(encoding="utf-8")
    assert "ranked by popularity" in text
    for secret in (SECRET, str(number), TOKEN, "Traceback"):
        assert secret not in text
