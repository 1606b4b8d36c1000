"""A trial counts only an answer of the version itself, ranked by its model."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from serving.deployment.errors import DeploymentError
from serving.deployment.trial import Trial


class Answers(HTTPServer):
    """Gives its answers in turn, the last one again and again."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[tuple[int, Any]] = []
        self.requests: list[tuple[str, str | None, Any]] = []


class _Handler(BaseHTTPRequestHandler):
    server: Answers

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.requests.append((self.path, self.headers.get("authorization"), body))
        answers = self.server.answers
        status, document = answers.pop(0) if len(answers) > 1 else answers[0]
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Do not print."""


@pytest.fixture
def server() -> Iterator[Answers]:
    with Answers() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def of(version: str, **more: Any) -> tuple[int, Any]:
    return 200, {"predictions": [{"model_version": version, "slate": [{"item": 1}], **more}]}


def run(server: Answers, seconds: float = 20.0, token: str | None = None) -> None:
    url = f"http://127.0.0.1:{server.server_port}/"
    Trial("tiny", lambda version: {"for": version}, token, seconds).run(url, "2")


def test_it_sends_until_the_version_itself_has_answered(server: Answers) -> None:
    server.answers = [(503, {"error": "starting"}), of("1"), of("2", fallback=True), of("2")]
    run(server, token="a token of 16 characters")
    sent = ("/v1/models/tiny:predict", "Bearer a token of 16 characters", {"for": "2"})
    assert server.requests == [sent] * 4


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (of("1"), "a response of version 1"),
        (of("2", fallback=True), "ranked by popularity"),
        (of("2", slate=[]), "an empty slate"),
        ((200, b"<html>"), "a response that is not of this server"),
        ((200, {"predictions": []}), "a response that is not of this server"),
        ((500, {"error": "failed"}), 'status 500: {"error": "failed"}'),
    ],
)
def test_another_answer_is_none_and_the_next_request_waits(
    server: Answers, answer: tuple[int, Any], found: str
) -> None:
    server.answers = [answer]
    with pytest.raises(DeploymentError) as error:
        run(server, 0.3)
    assert str(error.value).startswith("version 2: expected it to answer the example request at http://127.0.0.1:")
    assert found in str(error.value)
    assert len(server.requests) <= 6  # a pause of 0.05 s in 0.3 s


@pytest.mark.parametrize("status", [400, 401])
def test_a_refused_request_is_not_sent_again(server: Answers, status: int) -> None:
    server.answers = [(status, {"error": "no"})]
    with pytest.raises(DeploymentError, match=f"found status {status}"):
        run(server)
    assert len(server.requests) == 1


def test_an_address_without_a_server_is_reported() -> None:
    for url in ("http://127.0.0.1:9", "nowhere", ""):
        with pytest.raises(DeploymentError, match="version 2: expected it to answer"):
            Trial("tiny", lambda version: {}, None, 0.2).run(url, "2")
