"""uvicorn with bounded connections, in this process, in front of an application that accepts every request."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest

from serving.server.kserve import connections
from tests.serving.running import wait_until

pytestmark = pytest.mark.serial

GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n"


async def application(scope: Any, receive: Any, send: Any) -> None:
    """The response does not wait for the body."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    import uvicorn

    monkeypatch.setattr(connections, "_HEADERS_SECONDS", 0.3)
    monkeypatch.setattr(connections, "_REST_SECONDS", 0.2)
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 8)
    protocol: Any = partial(connections.BoundedProtocol, body_seconds=0.2, idle={})
    config = uvicorn.Config(application, port=0, http=protocol, ws="none", lifespan="off", log_config=None)
    config.limit_concurrency = 8 + 4
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


def connected(port: int, sent: bytes = b"") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.sendall(sent)
    return connection


def rest(connection: socket.socket) -> bytes:
    """What comes until the connection is closed."""
    try:
        return b"".join(iter(lambda: connection.recv(65_536), b""))
    except ConnectionResetError:
        return b""


def test_requests_in_time_share_a_connection(port: int) -> None:
    with connected(port) as connection:
        for _ in range(3):
            connection.sendall(GET)
            assert connection.recv(65_536).startswith(b"HTTP/1.1 200")
        for part in (GET[:9], GET[9:]):
            connection.sendall(part)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200")


class Written(asyncio.Transport):
    """Keeps every call to ``write``."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[bytes] = []

    def write(self, data: Any) -> None:
        self.calls.append(bytes(data))

    def is_closing(self) -> bool:
        return False


def test_a_response_is_sent_with_one_call() -> None:
    async def sent() -> list[bytes]:
        import uvicorn
        from uvicorn.server import ServerState

        config = uvicorn.Config(application, ws="none", lifespan="off", log_config=None)
        config.load()
        protocol = connections.BoundedProtocol(config, ServerState(), {}, body_seconds=1.0, idle={})
        protocol.connection_made(transport := Written())
        protocol.data_received(GET)
        while not transport.calls:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        return transport.calls

    (call,) = asyncio.run(sent())
    assert call.startswith(b"HTTP/1.1 200")
    assert call.endswith(b"\r\n\r\nok")


@pytest.mark.parametrize(("sent", "expected"), [(b"", b""), (GET[:9], b"HTTP/1.1 408"), (GET[:-2], b"HTTP/1.1 408")])
def test_headers_that_do_not_arrive_are_given_up(port: int, sent: bytes, expected: bytes) -> None:
    with connected(port, sent) as connection:
        assert rest(connection).startswith(expected)


def test_headers_that_arrive_byte_by_byte_are_given_up(port: int) -> None:
    with connected(port, GET[:4]) as connection:
        connection.setblocking(False)

        def ended() -> bool:
            try:
                connection.send(b"x")
                return connection.recv(65_536) == b""
            except BlockingIOError:
                return False
            except OSError:
                return True

        wait_until(ended, 5)


def test_the_headers_of_a_second_request_have_a_deadline_too(port: int) -> None:
    with connected(port, GET + GET[:9]) as connection:
        responses = rest(connection)
        assert responses.startswith(b"HTTP/1.1 200")
        assert b"HTTP/1.1 408" in responses


@pytest.mark.parametrize("length", ["+5", "-5", "0x5", "5_0", "5.0", "", "5, 6", "5\r\ncontent-length: 6", "9" * 5000])
def test_invalid_lengths_are_refused_with_a_json_error(port: int, length: str) -> None:
    with connected(port, f"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n12345".encode()) as connection:
        response = rest(connection)
    assert response.startswith(b"HTTP/1.1 400")
    assert "expected" in json.loads(response.split(b"\r\n\r\n")[1])["error"]


def test_too_large_headers_are_refused(port: int) -> None:
    with connected(port, b"GET / HTTP/1.1\r\nx-a: ") as connection:
        try:
            for _ in range(64):
                connection.sendall(b"x" * 65_536)
        except OSError:
            return
        assert rest(connection)[:12] in (b"HTTP/1.1 431", b"")


def test_a_body_that_never_arrives_ends_the_connection_after_the_response(port: int) -> None:
    with connected(port, POST + b"1") as connection:
        response = rest(connection)
        assert response.startswith(b"HTTP/1.1 200")
        assert b"408" not in response


def test_idle_connections_block_no_other(port: int) -> None:
    with ExitStack() as idle:
        quiet = [idle.enter_context(connected(port, GET[:5])) for _ in range(40)]
        with connected(port, GET) as connection:
            assert connection.recv(65_536).startswith(b"HTTP/1.1 200")
        assert rest(quiet[0]) == b""
