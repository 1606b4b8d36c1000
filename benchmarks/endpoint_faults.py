"""What callers see while Redis, a version or the worker fails: the endpoint as ``up`` starts it, under load.

Promises (docs/operations.md): without Redis, slates are ranked by popularity and flagged, and by the model again once
Redis is back; a version that was tampered with is refused without an effect on callers; while the worker is down,
callers get 503 with Retry-After until the supervisor has restarted it. wrk generates load all the time; one further
caller inspects the responses.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil  # type: ignore[import-untyped]

from benchmarks.load import document, statuses
from benchmarks.redis_server import RedisServer
from benchmarks.served_world import ServedWorld, build
from serving.deployment.endpoint import Endpoint, down, up
from serving.errors import EndpointError, RegistryError
from serving.versions.registry import Registry

_BACK_SECONDS = 60.0


@dataclass(frozen=True)
class Response:
    """One response as a caller sees it."""

    moment: float
    """``time.monotonic()`` of its arrival."""
    status: int
    """HTTP status; 0 where the connection was refused or broke."""
    fallback: bool
    retry_after: str | None


class Caller(threading.Thread):
    """Sends requests until it is stopped."""

    def __init__(self, world: ServedWorld, address: str) -> None:
        super().__init__()
        self.responses: list[Response] = []
        self._url = f"http://{address}/v1/models/{world.name}:predict"
        self._document = document(world)
        self._over = threading.Event()
        self.start()

    def run(self) -> None:
        """Send requests."""
        with httpx.Client(timeout=30, trust_env=False) as client:
            while not self._over.wait(0.02):
                try:
                    response = client.post(self._url, json=self._document)
                except httpx.TransportError:
                    self.responses.append(Response(time.monotonic(), 0, False, None))
                    continue
                ranked = response.status_code == 200
                fallback = ranked and response.json()["predictions"][0]["fallback"]
                after = response.headers.get("retry-after")
                self.responses.append(Response(time.monotonic(), response.status_code, fallback, after))

    def await_response(self, like: Callable[[Response], bool]) -> float:
        """Seconds until the next response of that kind. Raises SystemExit where there is none."""
        begin, known = time.monotonic(), len(self.responses)
        while time.monotonic() - begin < _BACK_SECONDS:
            for response in self.responses[known:]:
                if like(response):
                    return response.moment - begin
            time.sleep(0.01)
        raise SystemExit(f"a fault: expected another response within {_BACK_SECONDS:g} s; found {self.responses[-1]}")

    def stop(self) -> None:
        """Stop after the current response."""
        self._over.set()
        self.join()


def faults(folder: Path, seconds: float) -> dict[str, float]:
    """Cause the faults one after another, with ``seconds`` of load around each; ``folder`` is created."""
    (folder / "world").mkdir(parents=True)
    store = RedisServer(folder / "redis")
    try:
        world = build(folder / "world", store.address)
        store.save()
        endpoint = up(world.state, world.tracking_uri, world.name)
        try:
            return {
                **_without_redis(world, endpoint, store, seconds),
                **_tampered_version(world, endpoint, seconds),
                **_without_worker(world, endpoint, seconds),
            }
        finally:
            down(world.state)
    finally:
        store.kill()


def _without_redis(world: ServedWorld, endpoint: Endpoint, store: RedisServer, seconds: float) -> dict[str, float]:
    with _loaded(world, endpoint, seconds) as (caller, load):
        store.kill()
        away = caller.await_response(lambda response: response.fallback)
        time.sleep(seconds / 3)
        store.start()
        back = caller.await_response(lambda response: response.status == 200 and not response.fallback)
    return {
        "redis_killed_fallback_seconds": away,
        "redis_killed_recovery_seconds": back,
        "redis_killed_fallbacks": sum(response.fallback for response in caller.responses),
        "redis_killed_not_200": _others(caller, load, 200),
    }


def _tampered_version(world: ServedWorld, endpoint: Endpoint, seconds: float) -> dict[str, float]:
    registry, bundle = Registry(world.tracking_uri), world.state.parent / "bundle"
    before = set(world.state.rglob("model.safetensors"))
    version = registry.log_version(world.name, bundle, {})
    (weights,) = set(world.state.rglob("model.safetensors")) - before
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    refused = False
    with _loaded(world, endpoint, seconds) as (caller, load):
        try:
            up(world.state, world.tracking_uri, world.name, version)
        except (RegistryError, EndpointError):
            refused = True
    return {"tampered_version_refused": refused, "tampered_version_not_200": _others(caller, load, 200)}


def _without_worker(world: ServedWorld, endpoint: Endpoint, seconds: float) -> dict[str, float]:
    (worker,) = (
        process
        for process in psutil.process_iter(["cmdline"])
        if endpoint.stable.settings in (process.info["cmdline"] or [])
    )
    with _loaded(world, endpoint, seconds) as (caller, load):
        worker.kill()
        caller.await_response(lambda response: response.status != 200)
        back = caller.await_response(lambda response: response.status == 200)
    away = [response for response in caller.responses if response.status == 503]
    return {
        "worker_killed_recovery_seconds": back,
        "worker_killed_503": len(away),
        "worker_killed_503_without_retry_after": sum(response.retry_after is None for response in away),
        "worker_killed_not_200_or_503": _others(caller, load, 200, 503),
    }


@contextmanager
def _loaded(world: ServedWorld, endpoint: Endpoint, seconds: float) -> Iterator[tuple[Caller, Counter[int]]]:
    """Generate load while the block runs, for at least ``seconds``; count responses by status."""
    address, load = f"127.0.0.1:{endpoint.port}", Counter[int]()
    begin, over = time.monotonic(), threading.Event()

    def send() -> None:
        while not over.is_set():
            load.update(statuses(world, address, seconds))

    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(send)
        caller = Caller(world, address)
        try:
            caller.await_response(lambda response: response.status == 200)
            yield caller, load
            time.sleep(max(0.0, begin + seconds / 2 - time.monotonic()))
        finally:
            over.set()
            sending.result()
            caller.stop()


def _others(caller: Caller, load: Counter[int], *expected: int) -> int:
    """Responses with any other status, of the load and of the caller."""
    requests = sum(response.status not in expected for response in caller.responses)
    return requests + sum(count for status, count in load.items() if status not in expected)
