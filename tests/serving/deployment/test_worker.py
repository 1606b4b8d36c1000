"""Starting a worker and asking whether it is healthy, with a supervisor that starts nothing."""

import json
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from serving.deployment import worker
from serving.deployment.record import Worker
from serving.deployment.worker import _tail, healthy, start
from serving.errors import EndpointError


class FakeSupervisor:
    """Writes a line to a program's log; ``pids``: the process at each look, the last one for ever."""

    def __init__(self, *pids: int | None) -> None:
        self.pids = list(pids)
        self.calls: list[tuple[str, ...]] = []

    def add(self, name: str, command: Sequence[str], log: Path) -> None:
        self.calls.append(("add", name, *command[1:]))
        with log.open("a", encoding="utf-8") as stream:
            stream.write("the first word\n")

    def remove(self, name: str) -> None:
        self.calls.append(("remove", name))

    def running(self, name: str) -> int | None:
        return self.pids.pop(0) if len(self.pids) > 1 else self.pids[0]


def begin(folder: Path, supervisor: FakeSupervisor, seconds: float = 20.0) -> None:
    described = Worker("1", str(folder / "1-ab.json"), 81, 82, 100)
    start(supervisor, "model", described, folder / "log", seconds)  # type: ignore[arg-type]


@pytest.fixture
def responses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set what is found at each look at the worker's health."""
    (tmp_path / "1-ab.json").touch()

    def set_health(*found: bool) -> None:
        left = list(found)
        monkeypatch.setattr(worker, "healthy", lambda *requested: left.pop(0))

    return set_health


def test_a_worker_that_becomes_healthy_stays(tmp_path: Path, responses: Callable[..., None]) -> None:
    responses(False, False, True)
    supervisor = FakeSupervisor(5)
    begin(tmp_path, supervisor)
    assert supervisor.calls == [("add", "1-ab", "-m", "serving.server.process", str(tmp_path / "1-ab.json"))]
    assert (tmp_path / "1-ab.json").is_file()


@pytest.mark.parametrize(
    ("pids", "seconds", "message"),
    [
        ((None, 5), 20.0, "the server ended"),
        ((5, None), 20.0, "the server ended"),
        ((5, 6), 20.0, "the server ended"),
        ((5,), 0.01, "the server did not become healthy in time"),
    ],
)
@pytest.mark.parametrize("before", [None, "an older word\n"])
def test_a_worker_that_does_not_is_removed_and_its_own_last_words_are_reported(
    tmp_path: Path,
    responses: Callable[..., None],
    pids: tuple[int | None, ...],
    seconds: float,
    message: str,
    before: str | None,
) -> None:
    responses(*[False] * 9)
    if before:
        (tmp_path / "log").write_text(before, encoding="utf-8")
    supervisor = FakeSupervisor(*pids)
    with pytest.raises(EndpointError) as error:
        begin(tmp_path, supervisor, seconds)
    assert str(error.value) == f"{message}; the last lines of {tmp_path / 'log'}:\nthe first word"
    assert supervisor.calls[1:] == [("remove", "1-ab")]
    assert not (tmp_path / "1-ab.json").exists()


def test_an_interruption_removes_the_worker_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*requested: object) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(worker, "healthy", interrupted)
    supervisor = FakeSupervisor(5)
    with pytest.raises(KeyboardInterrupt):
        begin(tmp_path, supervisor)  # its settings were never written
    assert supervisor.calls[1:] == [("remove", "1-ab")]


def test_the_last_twenty_lines_since_a_byte_are_kept(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"before\n" + b"".join(b"line %d\n" % number for number in range(30)) + b"\xff\n")
    assert _tail(log, 7).splitlines() == [*(f"line {number}" for number in range(11, 30)), "\ufffd"]
    assert _tail(log, log.stat().st_size - 10) == "line 29\n\ufffd"


class Readiness(BaseHTTPRequestHandler):
    """Answers the readiness of the model ``ready`` with ``document``."""

    document = b""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/v2/models/ready/ready" else 404)
        self.end_headers()
        self.wfile.write(self.document)

    def log_message(self, *arguments: object) -> None:
        """Log nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Readiness)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("document", "expected"),
    [({"ready": True}, True), ({"ready": False}, False), ({}, False), ({"ready": "yes"}, False), ("ready", None)],
)
def test_a_worker_is_healthy_if_it_says_so_and_both_ports_are_open(
    port: int, monkeypatch: pytest.MonkeyPatch, document: object, expected: bool | None
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setattr(Readiness, "document", b"{" if expected is None else json.dumps(document).encode())
    with socket.create_server(("127.0.0.1", 0)) as grpc:
        assert healthy("ready", "127.0.0.1", port, grpc.getsockname()[1]) is bool(expected)
        assert not healthy("another", "127.0.0.1", port, grpc.getsockname()[1])
        closed = grpc.getsockname()[1]
    assert not healthy("ready", "127.0.0.1", port, closed)
    assert not healthy("ready", "127.0.0.1", closed, port)
