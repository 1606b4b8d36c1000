"""Envoy's configuration, with a real Envoy in front of a test server."""

import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from serving.deployment.proxy import Proxy
from serving.deployment.record import Worker
from serving.deployment.routing import bootstrap, endpoints, port_of
from serving.settings.limits import Limits
from serving.settings.listening import free_port

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])


class Paths(BaseHTTPRequestHandler):
    """Responds to every request and records its path."""

    requested: list[str]

    def do_GET(self) -> None:
        self.requested.append(self.path)
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    do_POST = do_GET  # noqa: N815

    def log_message(self, *arguments: object) -> None:
        """Do not log."""


@pytest.fixture
def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The port of an Envoy; the server behind it speaks HTTP only, so that no gRPC host is healthy."""
    monkeypatch.setattr(Paths, "requested", [], raising=False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Paths)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port, proxy = free_port("127.0.0.1"), Proxy(tmp_path, tmp_path)
    workers = [Worker("1", "", server.server_address[1], free_port("127.0.0.1"), 100)]
    proxy.configure("127.0.0.1", port, workers)
    with subprocess.Popen(proxy.command, stderr=subprocess.DEVNULL) as envoy:
        try:
            proxy.await_shares(workers)
            yield port
        finally:
            envoy.kill()
            server.shutdown()


def call(port: int, path: bytes) -> None:
    """Call a gRPC path; wait for headers or the end of the connection."""
    pairs = {b":method": b"POST", b":scheme": b"http", b":path": path, b":authority": b"a", b"te": b"trailers"}
    pairs |= {b"content-type": b"application/grpc"}
    content = b"".join(b"\x00" + bytes([len(name)]) + name + bytes([len(text)]) + text for name, text in pairs.items())
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection, connection.makefile("rb") as stream:
        connection.sendall(PREFACE + bytes([0, 0, len(content), 1, 5, 0, 0, 0, 1]) + content)
        while frame := stream.read(9):
            stream.read(int.from_bytes(frame[:3], "big"))
            if frame[3] in (1, 3, 7):  # headers, reset, going away
                break


ELSEWHERE = [b"/a.Service/Method", b"/\xff\xfe", b"/inference.GRPCInferenceService/ModelInfer\xff", b"/b"]


def test_grpc_paths_that_are_not_the_protocols_reach_no_worker(port: int) -> None:
    for path in ELSEWHERE:
        call(port, path)
    assert set(Paths.requested) <= {"/v2/health/ready"}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        assert client.get("/v2/health/live").status_code == 200  # Envoy and the worker still respond


def test_whatever_never_ends_is_ended(tmp_path: Path) -> None:
    text = json.dumps(bootstrap("127.0.0.1", 1, tmp_path / "a.sock", tmp_path))
    for bound in ("request_headers_timeout", "request_timeout", "stream_idle_timeout", "idle_timeout"):
        assert f'"{bound}": "' in text
    assert '"max_concurrent_streams": 256' in text


def test_limits_retries_and_headers_are_as_intended(tmp_path: Path) -> None:
    document = bootstrap("127.0.0.1", 1, tmp_path / "a.sock", tmp_path)
    assert document["admin"]["address"]["pipe"]["mode"] == 0o600
    (monitor,) = document["overload_manager"]["resource_monitors"]
    (listener,), clusters = (document["static_resources"][part] for part in ("listeners", "clusters"))
    for cluster in clusters:
        assert cluster["common_lb_config"] == {"healthy_panic_threshold": {"value": 0}}
        assert cluster["ignore_health_on_host_removal"] is True
        (check,) = cluster["health_checks"]
        assert (check["unhealthy_threshold"], check["healthy_threshold"]) == (3, 1)
        (most,) = cluster["circuit_breakers"]["thresholds"]
        assert {monitor["typed_config"]["max_active_downstream_connections"], *most.values()} == {2048}
    connections = listener["filter_chains"][0]["filters"][0]["typed_config"]
    assert [connections[name] for name in ("generate_request_id", "preserve_external_request_id")] == [False, True]
    assert connections["use_remote_address"] is True
    assert connections["http2_protocol_options"] == {
        "max_concurrent_streams": Limits().bodies,
        "initial_stream_window_size": 65536,
        "initial_connection_window_size": 1048576,
    }
    assert connections["http_filters"][0]["typed_config"]["suppress_envoy_headers"] is True
    routes = connections["route_config"]["virtual_hosts"][0]["routes"]
    assert routes[1]["direct_response"] == {"status": 404}
    for route in (routes[0], routes[2]):
        policy = route["route"]["retry_policy"]
        assert (policy["num_retries"], policy["host_selection_retry_max_attempts"]) == (2, 5)
    (away,) = connections["local_reply_config"]["mappers"]
    assert away["filter"]["status_code_filter"]["comparison"]["value"]["default_value"] == 503
    assert away["headers_to_add"] == [{"header": {"key": "retry-after", "value": "1"}}]


def test_a_worker_is_one_host_of_two_ports_with_its_share() -> None:
    worker = Worker("1", "", 81, 82, 30)
    for cluster, port, version in (("http", 81, "http_protocol_options"), ("grpc", 82, "http2_protocol_options")):
        assert port_of(worker, cluster) == port
        (found,) = endpoints(cluster, [worker])["resources"]
        (host,) = found["endpoints"][0]["lb_endpoints"]
        assert (found["cluster_name"], host["load_balancing_weight"]) == (cluster, 30)
        assert host["endpoint"]["address"]["socket_address"] == {"address": "127.0.0.1", "port_value": port}
        assert host["endpoint"]["health_check_config"] == {"port_value": 81}
        document = bootstrap("127.0.0.1", 1, Path("a.sock"), Path("here"))
        (described,) = [one for one in document["static_resources"]["clusters"] if one["name"] == cluster]
        (options,) = described["typed_extension_protocol_options"].values()
        assert options["explicit_http_config"] == {version: {}}
        assert described["eds_cluster_config"]["eds_config"]["path_config_source"]["path"] == f"here/{cluster}.json"
