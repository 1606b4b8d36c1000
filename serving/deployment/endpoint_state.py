"""State of the endpoint of a state folder: inspect it, stop it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from serving.deployment import worker
from serving.deployment.endpoint_processes import EndpointProcesses
from serving.deployment.record import Endpoint, Worker
from serving.settings.listening import reached_at


@dataclass(frozen=True)
class Status:
    """``up``: every version responds; ``unhealthy``: one does not; ``down``: nothing runs (``endpoint`` is None)."""

    state: Literal["up", "unhealthy", "down"]
    endpoint: Endpoint | None


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
