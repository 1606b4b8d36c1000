"""Endpoint of a state folder: start, replace, inspect and stop it. Its record is endpoint/endpoint.json."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from serving.deployment import worker
from serving.deployment.embedded import START_SECONDS, Embedded, EndpointOptions
from serving.deployment.endpoint_processes import EndpointProcesses
from serving.deployment.record import Endpoint, Worker
from serving.deployment.rollout import Rollout
from serving.errors import EndpointError
from serving.settings.listening import reached_at
from serving.versions.registry import Registry

__all__ = ["Endpoint", "EndpointOptions", "Status", "canary", "down", "requests", "served_versions", "status", "up"]


@dataclass(frozen=True)
class Status:
    """``up``: every version responds; ``unhealthy``: one does not; ``down``: nothing runs (``endpoint`` is None)."""

    state: Literal["up", "unhealthy", "down"]
    endpoint: Endpoint | None


def up(
    state: Path,
    tracking_uri: str,
    name: str,
    version: str | None = None,
    store_config: Path | None = None,
    seconds: float = START_SECONDS,
    options: EndpointOptions | None = None,
) -> Endpoint:
    """Serve a registered version (None = the champion) with all traffic, and return once it is healthy.

    The version served so far keeps serving until the new one is healthy, so that no request fails. ``store_config``: a
    feature_store.yaml with absolute paths (None = the state folder's). ``options``: address, token and limits; None
    keeps the current ones. Raises RegistryError for a version that is unknown or fails verification, EndpointError
    (with the log's last lines) where the server does not become healthy within ``seconds``.
    """
    registry = Registry(tracking_uri)
    version = version or registry.require_champion(name)
    store_config = store_config or state / "feast" / "feature_store.yaml"
    if not store_config.is_file():
        raise EndpointError(
            f"{store_config}: expected the store's configuration; found none. Apply the features first."
        )
    return Embedded(state, registry, name, seconds).up(version, store_config, options or EndpointOptions())


def canary(
    state: Path,
    tracking_uri: str,
    name: str,
    version: str,
    percent: int,
    store_config: Path | None = None,
    seconds: float = START_SECONDS,
) -> Endpoint:
    """Give a version that passed the gate a share of the traffic; the champion keeps the rest.

    The champion is started first where nothing is served. Raises VerdictError where the version did not pass the gate,
    EndpointError where a version other than the champion is served; otherwise as ``up``.
    """
    registry = Registry(tracking_uri)
    rollout = Rollout(Embedded(state, registry, name, seconds), registry, name)
    rollout.check(version)  # before anything is changed
    champion = registry.require_champion(name)
    found = EndpointProcesses(state).current()
    if found is None or found.name != name:
        up(state, tracking_uri, name, champion, store_config=store_config, seconds=seconds)
    elif found.stable.version != champion:
        raise EndpointError(
            f"{name}: expected the champion, version {champion}, to be served; found version {found.stable.version}. "
            "Make that the champion (python -m serving promote --version) or serve the champion (up)."
        )
    rollout.canary(version, percent)
    changed = EndpointProcesses(state).current()
    if changed is None:
        raise EndpointError(f"{name}: expected it to be served; found that it was taken down meanwhile. Start over.")
    return changed


def down(state: Path) -> bool:
    """Stop the endpoint; return whether it was running. A second call does nothing."""
    processes = EndpointProcesses(state)
    if not processes.folder.is_dir():
        return False
    with processes.locked() as found:
        if found is None:
            processes.clear()
        else:
            processes.stop()
        return found is not None


def status(state: Path) -> Status:
    """Check whether the endpoint runs and responds."""
    endpoint = EndpointProcesses(state).current()
    if endpoint is None:
        return Status("down", None)
    ports = [(one.host, one.port, one.grpc_port) for one in endpoint.workers]
    ports.append((reached_at(endpoint.host), endpoint.port, endpoint.grpc_port))
    healthy = all(worker.healthy(endpoint.name, *one) for one in ports)
    return Status("up" if healthy else "unhealthy", endpoint)


def served_versions(state: Path) -> set[str]:
    """The versions that receive traffic."""
    endpoint = EndpointProcesses(state).current()
    return set() if endpoint is None else {one.version for one in endpoint.workers}


def requests(state: Path, endpoint: Endpoint) -> list[tuple[Worker, int]]:
    """Requests sent to each version since it started to receive traffic, retries included."""
    return [(one, EndpointProcesses(state).requests(one)) for one in endpoint.workers]
