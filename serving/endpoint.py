"""The endpoint: one server process, started, replaced, watched and stopped; its record is endpoint/endpoint.json."""

import fcntl
import json
import os
import secrets
import shutil
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from serving import process
from serving.errors import EndpointError
from serving.listening import LOOPBACK, address, free_port, reached_at
from serving.registry import Registry
from serving.settings import Settings

START_SECONDS = 120.0
"""How long a server may take to load and to become healthy."""
_LOG_BYTES = 10 << 20


@dataclass(frozen=True)
class Endpoint:
    """A server that was healthy when this was written."""

    pid: int
    settings: str
    name: str
    version: str
    port: int
    grpc_port: int
    url: str
    """Address of the v1 predict call."""
    grpc: str
    """Address of the Open Inference Protocol."""
    started: str
    host: str = LOOPBACK
    """Address that both ports are bound to."""


@dataclass(frozen=True)
class Status:
    """``up``: alive and healthy; ``unhealthy``: alive, no answer; ``down``: not running (``endpoint`` is None)."""

    state: Literal["up", "unhealthy", "down"]
    endpoint: Endpoint | None


def up(
    state: Path,
    tracking_uri: str,
    name: str,
    version: str | None = None,
    store_config: Path | None = None,
    port: int | None = None,
    seconds: float = START_SECONDS,
    host: str = LOOPBACK,
) -> Endpoint:
    """Serve a registered version (None = the champion) and return once it is healthy.

    A server that runs already is stopped only when the new one has loaded (and, at another port, is healthy). ``port``
    None takes a free one. ``store_config``: a feature_store.yaml with absolute paths (None = the state folder's).
    ``host``: the address to listen at; the default is reached from this machine only. The server asks nobody who they
    are: at another address, put a proxy that does in front. Raises RegistryError for an unknown version, EndpointError
    (with the log's last lines) if the server does not become healthy within ``seconds``.
    """
    registry = Registry(tracking_uri)
    version = version or registry.require_champion(name)
    store_config = store_config or state / "feast" / "feature_store.yaml"
    if not store_config.is_file():
        raise EndpointError(
            f"{store_config}: expected the store's configuration; found none. Apply the features first."
        )
    folder = state / "endpoint"
    folder.mkdir(parents=True, exist_ok=True)
    with _lock(folder):
        bundle = registry.download(name, version, folder / "models" / f"{name}-{version}")
        running = _running(state)
        ports = _free_ports(host, port, running)
        settings = folder / "servers" / f"{secrets.token_hex(8)}.json"
        settings.parent.mkdir(exist_ok=True)
        Settings(
            name=name,
            version=version,
            bundle=str(bundle.resolve()),
            store_config=str(store_config.resolve()),
            served=str((folder / "served").resolve()),
            port=ports[0],
            grpc_port=ports[1],
            host=host,
        ).write(settings)
        pid = _start(folder, settings, name, host, ports, running, time.monotonic() + seconds)
        endpoint = Endpoint(
            pid=pid,
            settings=str(settings.resolve()),
            name=name,
            version=version,
            port=ports[0],
            grpc_port=ports[1],
            url=f"http://{address(reached_at(host), ports[0])}/v1/models/{name}:predict",
            grpc=address(reached_at(host), ports[1]),
            started=datetime.now(UTC).isoformat(timespec="seconds"),
            host=host,
        )
        _write(_record(state), asdict(endpoint))
        _sweep(folder, keep=endpoint)
        return endpoint


def down(state: Path) -> bool:
    """Stop the endpoint; returns whether it was running. A second call does nothing."""
    folder = state / "endpoint"
    if not folder.is_dir():
        return False
    with _lock(folder):
        was_running = _running(state) is not None
        _record(state).unlink(missing_ok=True)
        _sweep(folder, keep=None)
        return was_running


def status(state: Path) -> Status:
    """Whether the endpoint runs and answers."""
    endpoint = _running(state)
    if endpoint is None:
        return Status("down", None)
    return Status(
        "up" if _healthy(endpoint.name, endpoint.host, endpoint.port, endpoint.grpc_port) else "unhealthy", endpoint
    )


def last_served(state: Path) -> str | None:
    """The model that the state folder's endpoint serves, or served until its process ended; None after ``down``."""
    try:
        return Endpoint(**json.loads(_record(state).read_text(encoding="utf-8"))).name
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _record(state: Path) -> Path:
    return state / "endpoint" / "endpoint.json"


def _running(state: Path) -> Endpoint | None:
    """The recorded server, if its process is alive and is that server: the record of a killed one is stale."""
    try:
        endpoint = Endpoint(**json.loads(_record(state).read_text(encoding="utf-8")))
        alive = process.is_server(endpoint.pid, Path(endpoint.settings))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    return endpoint if alive else None


def _sweep(folder: Path, keep: Endpoint | None) -> None:
    """Stop every server of this folder but one (replaced ones, those of a killed start) and drop their bundles."""
    kept = None if keep is None else Path(keep.settings)
    for settings in sorted((folder / "servers").glob("*.json")):
        if settings.resolve() != kept:
            for pid in process.servers(settings):
                process.stop(pid, settings)
            settings.unlink(missing_ok=True)
    version = None if keep is None else f"{keep.name}-{keep.version}"
    for bundle in (folder / "models").glob("*"):
        if bundle.name != version:
            shutil.rmtree(bundle, ignore_errors=True)


def _start(
    folder: Path,
    settings: Path,
    name: str,
    host: str,
    ports: tuple[int, int],
    running: Endpoint | None,
    deadline: float,
) -> int:
    """Start the server and wait until it is healthy; returns its process number. On failure nothing of it is left."""
    log = folder / "endpoint.log"
    if log.is_file() and log.stat().st_size > _LOG_BYTES:
        log.replace(folder / "endpoint.log.1")
    begin = log.stat().st_size if log.is_file() else 0
    started = process.start(settings, log)
    pid = started.process.pid
    try:
        if not process.await_loaded(started, max(0.0, deadline - time.monotonic())):
            raise EndpointError("the server did not load")
        if running is not None and running.port == ports[0]:
            process.stop(running.pid, Path(running.settings))
        while not _healthy(name, host, *ports):
            if started.process.poll() is not None:
                raise EndpointError("the server ended")
            if time.monotonic() > deadline:
                raise EndpointError("the server did not become healthy in time")
            time.sleep(0.05)
    except BaseException as error:
        process.stop(pid, settings, seconds=5.0)
        ended = f" (exit status {started.process.wait()})"
        settings.unlink(missing_ok=True)
        if isinstance(error, EndpointError):
            raise EndpointError(f"{error}{ended}; the last lines of {log}:\n{_tail(log, begin)}") from None
        raise
    return pid


def _healthy(name: str, host: str, port: int, grpc_port: int) -> bool:
    """The model is ready over HTTP, and somebody listens for gRPC."""
    reached = reached_at(host)
    ready_at = f"http://{address(reached, port)}/v2/models/{name}/ready"
    # A proxy of the environment is not for loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(ready_at, timeout=2.0) as answer:
            ready = json.loads(answer.read()).get("ready") is True
        with socket.create_connection((reached, grpc_port), timeout=2.0):
            return ready
    except (OSError, ValueError):
        return False


def _free_ports(host: str, port: int | None, running: Endpoint | None) -> tuple[int, int]:
    """Ports for REST and gRPC; a given one must be free, or be held by the server that is replaced."""
    if port is None or running is None or running.port != port:
        port = free_port(host, port or 0)
    while (grpc := free_port(host)) == port:
        pass
    return port, grpc


def _tail(log: Path, begin: int, lines: int = 20) -> str:
    with log.open("rb") as stream:
        stream.seek(begin)
        return "\n".join(stream.read().decode("utf-8", "replace").splitlines()[-lines:])


def _write(path: Path, document: dict[str, object]) -> None:
    """All at once, or not at all."""
    draft = path.with_suffix(".partial")
    draft.write_text(json.dumps(document, indent=1), encoding="utf-8")
    os.replace(draft, path)


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """One start or stop at a time."""
    with (folder / "lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
