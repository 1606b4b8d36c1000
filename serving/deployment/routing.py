"""Envoy's configuration: listener, clusters of workers, health checks, retries, limits.

Fields: https://www.envoyproxy.io/docs/envoy/latest/api-v3/api
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from serving.deployment.record import Worker

CLUSTERS = ("http", "grpc")
"""Each worker is one host in both."""
_TYPES = "type.googleapis.com/envoy"
_AT_ONCE = 2048
"""Connections and requests; no fewer than a worker accepts, so that it is the worker that rejects requests."""
_STREAMS = 256
"""Concurrent requests on one HTTP/2 connection, as many as a worker accepts."""
_METHODS = "/inference\\.GRPCInferenceService/[A-Za-z]+"
"""The gRPC paths that are forwarded: those of the Open Inference Protocol. A caller may send any bytes as a path."""


def port_of(worker: Worker, cluster: str) -> int:
    """Return the worker's port in a cluster."""
    return worker.grpc_port if cluster == "grpc" else worker.port


def endpoints(cluster: str, workers: Sequence[Worker]) -> dict[str, Any]:
    """Build the cluster's list of workers, with weights."""
    hosts = [
        {
            "endpoint": {
                "address": _address(worker.host, port_of(worker, cluster)),
                "health_check_config": {"port_value": worker.port},
            },
            "load_balancing_weight": worker.percent,
        }
        for worker in workers
    ]
    assignment = {"@type": f"{_TYPES}.config.endpoint.v3.ClusterLoadAssignment", "cluster_name": cluster}
    return {"resources": [{**assignment, "endpoints": [{"lb_endpoints": hosts}]}]}


def bootstrap(host: str, port: int, administration: Path, folder: Path) -> dict[str, Any]:
    """Build the static configuration; the workers are in one file per cluster in ``folder``."""
    return {
        "admin": {"address": {"pipe": {"path": str(administration), "mode": 0o600}}},
        "node": {"id": "heliograph", "cluster": "heliograph"},
        "overload_manager": {
            "resource_monitors": [
                {
                    "name": "envoy.resource_monitors.global_downstream_max_connections",
                    "typed_config": {
                        "@type": (
                            f"{_TYPES}.extensions.resource_monitors.downstream_connections.v3."
                            "DownstreamConnectionsConfig"
                        ),
                        "max_active_downstream_connections": _AT_ONCE,
                    },
                }
            ]
        },
        "static_resources": {
            "listeners": [_listener(host, port)],
            "clusters": [_cluster(name, folder / f"{name}.json") for name in CLUSTERS],
        },
    }


def _cluster(name: str, file: Path) -> dict[str, Any]:
    """One port of every worker. A refused health check or a 503 is a failure; a slow one may be a busy worker."""
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
        # Never send requests to unhealthy workers, even if all are.
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
                # Shorter than the worker's own timeout, so that no request is sent on a connection about to close.
                "common_http_protocol_options": {"idle_timeout": "30s"},
                "explicit_http_config": {version: {}},
            }
        },
    }


def _listener(host: str, port: int) -> dict[str, Any]:
    """One port for HTTP and gRPC, which is recognized by its content type."""
    retries = {
        # Ranking is idempotent, and an outcome counts once: a retry is safe. It reaches the other version if one is
        # gone.
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
    routes: list[dict[str, Any]] = [
        {
            "match": {"safe_regex": {"regex": _METHODS}, "grpc": {}},
            "route": {"cluster": "grpc", "timeout": "30s", "retry_policy": retries},
        },
        {"match": {"prefix": "", "grpc": {}}, "direct_response": {"status": 404}},
        {"match": {"prefix": "/"}, "route": {"cluster": "http", "timeout": "30s", "retry_policy": retries}},
    ]
    return {
        "name": "heliograph",
        "address": _address(host, port),
        "filter_chains": [{"filters": [{"name": "http", "typed_config": _connection_manager(routes)}]}],
    }


def _connection_manager(routes: list[dict[str, Any]]) -> dict[str, Any]:
    """Timeouts, HTTP/2 limits and error responses of every connection."""
    unavailable = {
        "filter": {
            "status_code_filter": {
                "comparison": {"op": "EQ", "value": {"default_value": 503, "runtime_key": "away"}},
            }
        },
        "headers_to_add": [{"header": {"key": "retry-after", "value": "1"}}],
    }
    return {
        "@type": f"{_TYPES}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "heliograph",
        "server_header_transformation": "PASS_THROUGH",
        # The worker assigns the request ID, or keeps the caller's.
        "generate_request_id": False,
        "preserve_external_request_id": True,
        "use_remote_address": True,
        # Upper bounds; longer than a worker waits for a body, so that the worker reports the timeout.
        "request_headers_timeout": "10s",
        "request_timeout": "30s",
        "stream_idle_timeout": "40s",
        "common_http_protocol_options": {"idle_timeout": "60s", "max_stream_duration": "90s"},
        "http2_protocol_options": {
            "max_concurrent_streams": _STREAMS,
            "initial_stream_window_size": 64 << 10,
            "initial_connection_window_size": 1 << 20,
        },
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        "local_reply_config": {
            "body_format": {"json_format": {"error": "%LOCAL_REPLY_BODY%"}},
            "mappers": [unavailable],
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


def _address(host: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": port}}
