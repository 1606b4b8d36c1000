"""The endpoint of a state folder: put up, replaced, watched and taken down; its record is endpoint/endpoint.json."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from serving.deployment import worker
from serving.deployment.embedded import START_SECONDS, Embedded
from serving.deployment.machine import Machine
from serving.deployment.record import Endpoint, Worker
from serving.deployment.rollout import Rollout
from serving.errors import EndpointError
from serving.settings.limits import Limits
from serving.settings.listening import reached_at
from serving.versions.registry import Registry

__all__ = ["Endpoint", "Status", "canary", "down", "requests", "served_versions", "status", "up"]


@dataclass(frozen=True)
class Status:
    """``up``: every version answers; ``unhealthy``: one does not; ``down``: nobody keeps it (``endpoint`` is None)."""

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
    host: str | None = None,
    token_file: str | None = None,
    limits: Limits | None = None,
) -> Endpoint:
    """Serve a registered version (None = the champion) with all traffic, and return once it is healthy.

    A version that is served already goes on until the new one answers, and no request fails. ``port``, ``host``,
    ``token_file`` and ``limits`` None: those that are held; else a free one, an address that is reached from this
    machine only, no token, the defaults. ``token_file``: what callers must show (``serving.settings.token``; "" = nothing).
    ``store_config``: a feature_store.yaml with absolute paths (None = the state folder's). Raises RegistryError for a
    version that is unknown or was tampered with, EndpointError (with the log's last lines) if the server does not
    become healthy within ``seconds``.
    """
    registry = Registry(tracking_uri)
    version = version or registry.require_champion(name)
    store_config = store_config or state / "feast" / "feature_store.yaml"
    if not store_config.is_file():
        raise EndpointError(
            f"{store_config}: expected the store's configuration; found none. Apply the features first."
        )
    return Embedded(state, registry, name, seconds).up(version, store_config, host, port, token_file, limits)


def canary(
    state: Path,
    tracking_uri: str,
    name: str,
    version: str,
    percent: int,
    store_config: Path | None = None,
    seconds: float = START_SECONDS,
) -> Endpoint:
    """Give a version that passed the gate a share of the traffic; what is served keeps the rest, else the champion.

    The champion stays the champion. Raises VerdictError where the gate did not let the version out, EndpointError where
    another version than the champion is served, else as ``up``.
    """
    registry = Registry(tracking_uri)
    rollout = Rollout(Embedded(state, registry, name, seconds), registry, name)
    rollout.check(version)  # before anything is changed
    champion = registry.require_champion(name)
    found = Machine(state).found()
    if found is None or found.name != name:
        up(state, tracking_uri, name, champion, store_config=store_config, seconds=seconds)
    elif found.stable.version != champion:
        raise EndpointError(
            f"{name}: expected the champion, version {champion}, to be served; found version {found.stable.version}. "
            "Make that the champion (python -m serving promote --version) or serve the champion (up)."
        )
    rollout.canary(version, percent)
    changed = Machine(state).found()
    if changed is None:
        raise EndpointError(f"{name}: expected it to be served; found that it was taken down meanwhile. Begin again.")
    return changed


def down(state: Path) -> bool:
    """Stop the endpoint; returns whether it was running. A second call does nothing."""
    machine = Machine(state)
    if not machine.folder.is_dir():
        return False
    with machine.changing() as found:
        if found is None:
            machine.forget()
        else:
            machine.end()
        return found is not None


def status(state: Path) -> Status:
    """Whether the endpoint runs and answers."""
    endpoint = Machine(state).found()
    if endpoint is None:
        return Status("down", None)
    ports = [(one.host, one.port, one.grpc_port) for one in endpoint.workers]
    ports.append((reached_at(endpoint.host), endpoint.port, endpoint.grpc_port))
    healthy = all(worker.healthy(endpoint.name, *one) for one in ports)
    return Status("up" if healthy else "unhealthy", endpoint)


def served_versions(state: Path) -> set[str]:
    """The versions that have traffic."""
    endpoint = Machine(state).found()
    return set() if endpoint is None else {one.version for one in endpoint.workers}


def requests(state: Path, endpoint: Endpoint) -> list[tuple[Worker, int]]:
    """How many requests every version was sent since it has a share, those tried anew included."""
    return [(one, Machine(state).requests(one)) for one in endpoint.workers]
