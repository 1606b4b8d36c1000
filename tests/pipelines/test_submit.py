"""The real kfp.Client against a recording server on loopback."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pipelines.__main__ import main

ROOT = Path(__file__).resolve().parent.parent.parent
SPEC = str(ROOT / "configs" / "professional.yaml")


class Recorder(BaseHTTPRequestHandler):
    """Answers like the Kubeflow Pipelines API and keeps what it was asked."""

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._record()
        if "/experiments" in self.path:
            self._answer({"experiments": [{"experiment_id": "e-1", "display_name": "heliograph", "namespace": ""}]})
        else:
            self._answer({"apiServerReady": True, "multi_user": False})

    def do_POST(self) -> None:
        self._record()
        if self.server.status != 200:  # type: ignore[attr-defined]
            self._answer({"error": "quota exceeded"}, self.server.status)  # type: ignore[attr-defined]
        elif self.path.startswith("/apis/v2beta1/runs"):
            self._answer({"run_id": "r-42", "display_name": "run"})
        else:
            self._answer({"experiment_id": "e-1", "display_name": "heliograph"})

    def _record(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        self.server.seen.append((self.command, self.path, body))  # type: ignore[attr-defined]

    def _answer(self, document: dict[str, Any], status: int = 200) -> None:
        payload = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)


@pytest.fixture
def cluster() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
    server.seen, server.status = [], 200  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()


def send(cluster: ThreadingHTTPServer) -> int:
    return main(
        [
            "submit", "--spec", SPEC, "--data", "s3://logs/raw", "--tracking-uri", "http://mlflow:5000",
            "--host", f"http://127.0.0.1:{cluster.server_port}",
            "--node-selector", '{"pool": "h100"}', "--tolerations", '[{"key": "gpu", "operator": "Exists"}]',
            "--canary-percent", "10",
        ]
    )  # fmt: skip


def test_the_run_carries_pipeline_and_parameters(
    cluster: ThreadingHTTPServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert send(cluster) == 0
    assert "run r-42 created" in capsys.readouterr().out
    (body,) = [body for method, path, body in cluster.seen if method == "POST" and "/runs" in path]  # type: ignore[attr-defined]
    run = json.loads(body)
    parameters = run["runtime_config"]["parameters"]
    assert json.loads(parameters["spec"])["name"] == "professional"
    assert parameters["services"]["tracking_uri"] == "http://mlflow:5000"
    assert parameters["data"] == "s3://logs/raw"
    assert parameters["node_selector"] == {"pool": "h100"}
    assert parameters["accelerator_count"] == "1"
    assert parameters["canary_percent"] == 10
    pipeline = run["pipeline_spec"]
    assert "train" in json.dumps(pipeline.get("pipeline_spec", pipeline)["deploymentSpec"])


def test_a_refusal_is_told(cluster: ThreadingHTTPServer, capsys: pytest.CaptureFixture[str]) -> None:
    cluster.status = 403  # type: ignore[attr-defined]
    assert send(cluster) == 1
    error = capsys.readouterr().err
    assert "127.0.0.1" in error
    assert "quota exceeded" in error


def test_no_cluster_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["submit", "--spec", SPEC, "--tracking-uri", "http://mlflow:5000", "--host", "http://127.0.0.1:9"]
    assert main(arguments) == 1
    assert "expected a Kubeflow Pipelines API" in capsys.readouterr().err
