"""The real kfp.Client against a recording server on loopback."""

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from kfp import dsl

from components.specs import read_spec
from models.spec import load_spec
from pipelines.__main__ import main

ROOT = Path(__file__).resolve().parent.parent.parent
SPEC = str(ROOT / "configs" / "professional.yaml")


class Recorder(BaseHTTPRequestHandler):
    """Answers like the Kubeflow Pipelines API and records the requests."""

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
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """S3 goes through pyarrow's client; here a folder takes the place of the bucket."""
    import pyarrow.fs as arrow_fs

    (tmp_path / "bucket" / "specs").mkdir(parents=True)

    class Files:
        @staticmethod
        def from_uri(uri: str) -> tuple[arrow_fs.FileSystem, str]:
            assert uri.startswith("s3://bucket/specs/")
            return arrow_fs.SubTreeFileSystem(str(tmp_path), arrow_fs.LocalFileSystem()), uri.removeprefix("s3://")

    monkeypatch.setattr("pyarrow.fs.FileSystem", Files)
    return tmp_path / "bucket" / "specs"


def send(cluster: ThreadingHTTPServer, *further: str) -> int:
    return main(
        [
            "submit", "--spec", SPEC, "--data", "s3://logs/raw", "--tracking-uri", "http://mlflow:5000",
            "--host", f"http://127.0.0.1:{cluster.server_port}",
            "--node-selector", '{"pool": "h100"}', "--tolerations", '[{"key": "gpu", "operator": "Exists"}]',
            "--canary-percent", "10", "--specs", "s3://bucket/specs", *further,
        ]
    )  # fmt: skip


def test_the_run_carries_pipeline_and_parameters(
    cluster: ThreadingHTTPServer, bucket: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert send(cluster) == 0
    assert "run r-42 created" in capsys.readouterr().out
    (body,) = [body for method, path, body in cluster.seen if method == "POST" and "/runs" in path]  # type: ignore[attr-defined]
    run = json.loads(body)
    parameters = run["runtime_config"]["parameters"]
    (file,) = bucket.iterdir()
    assert parameters["spec"] == f"s3://bucket/specs/{file.name}"
    assert parameters["product"] == "professional"
    assert read_spec(dsl.Artifact(uri=str(file))) == load_spec(SPEC)
    assert len(body) < 60_000
    assert len(json.dumps(parameters)) < 1000
    assert parameters["services"]["tracking_uri"] == "http://mlflow:5000"
    assert parameters["data"] == "s3://logs/raw"
    assert parameters["node_selector"] == {"pool": "h100"}
    assert parameters["accelerator_count"] == "1"
    assert parameters["canary_percent"] == 10
    pipeline = run["pipeline_spec"]
    assert "train" in json.dumps(pipeline.get("pipeline_spec", pipeline)["deploymentSpec"])


def test_a_refusal_is_reported(cluster: ThreadingHTTPServer, bucket: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cluster.status = 403  # type: ignore[attr-defined]
    assert send(cluster) == 1
    error = capsys.readouterr().err
    assert "127.0.0.1" in error
    assert "quota exceeded" in error


def test_no_cluster_is_reported(bucket: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "submit",
        "--spec",
        SPEC,
        "--specs",
        "minio://bucket/specs",
        "--tracking-uri",
        "http://mlflow:5000",
        "--host",
        "http://127.0.0.1:9",
    ]
    assert main(arguments) == 1
    assert "expected a Kubeflow Pipelines API" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--specs", ""], r"--specs: expected an address that the cluster can read artifacts from .* found ''"),
        (["--specs", "/tmp/specs"], "--specs: expected an address"),
        (["--specs", "s3://"], "--specs: expected an address"),
        (["--specs", "s3://key:secret@bucket/specs"], "without a password; found 'bucket/specs'"),
        (["--specs", "s3://bucket/specs?endpoint_override=x"], "--specs: expected an address"),
        (["--data", "s3://{{$.pipeline_job_uuid}}"], r"--data: expected a text without '\{\{', which is replaced"),
        (["--data", "/kfp-workspace/x"], "--data: expected a text without '/kfp-workspace'"),
        (["--data", "s3://a\nb"], "--data: expected a text of printable characters"),
        (["--data", "s3://" + "x" * 9000], "expected at most 8000 characters in total; found 9"),
        (["--data", "s3://\udcff"], "--data: expected a text of printable characters"),
        (["--run-name", "{{workflow.name}}"], "--run-name: expected"),
        (["--run-name", "a'b"], "--run-name: expected letters, digits"),
        (["--tracking-uri", "http://{{x}}"], "--tracking-uri: expected a text without"),
        (["--node-selector", '{"{{a}}": "b"}'], "--node-selector: expected a text without"),
        (["--tolerations", '[{"key": "{{$}}"}]'], "--tolerations: expected a text without"),
        (["--accelerator", "{{$}}"], "--accelerator: expected a text without"),
    ],
)
def test_what_would_not_arrive_as_it_was_given_is_refused_before_anything_is_sent(
    arguments: list[str], message: str, cluster: ThreadingHTTPServer, bucket: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert send(cluster, *arguments) == 1
    error = capsys.readouterr().err
    assert re.search(message, error)
    assert "secret" not in error
    assert cluster.seen == []  # type: ignore[attr-defined]
    assert not list(bucket.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--node-selector", "[]"], "expected a JSON object of strings such as"),
        (["--node-selector", '{"a": 1}'], "JSON object of strings"),
        (["--node-selector", '{"a": "1", "a": "2"}'], "every key once"),
        (["--node-selector", "pool=gpu"], "expected JSON; found"),
        (["--tolerations", '{"key": "gpu"}'], "a JSON list of objects"),
        (["--tolerations", "[1]"], "a JSON list of objects"),
    ],
)
def test_json_that_is_not_what_a_cluster_takes_is_refused(
    arguments: list[str], message: str, cluster: ThreadingHTTPServer, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        send(cluster, *arguments)
    assert message in capsys.readouterr().err


def test_a_store_that_takes_nothing_is_reported(
    cluster: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuses(*_: object) -> None:
        raise OSError("Access Denied")

    monkeypatch.setattr("pipelines.submit.arguments", refuses)
    assert send(cluster) == 1
    assert (
        "--specs s3://bucket/specs: expected a place that this machine can write to; found OSError: Access Denied"
        in (capsys.readouterr().err)
    )
    assert cluster.seen == []  # type: ignore[attr-defined]
