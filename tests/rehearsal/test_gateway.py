import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.rehearsal.gateway import Backend, Gateway, backends_of


@contextmanager
def server(name: str) -> Iterator[int]:
    """Answers every connection with its name."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                client, _ = listening.accept()
            except OSError:
                return
            with client:
                client.recv(100)
                client.sendall(name.encode())

    threading.Thread(target=serve, daemon=True).start()
    yield int(listening.getsockname()[1])
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    made = Gateway()
    yield made
    made.close()


def ask(gateway: Gateway, first: bytes = b"GET / HTTP/1.1\r\n\r\n") -> str:
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=5) as client:
        client.sendall(first)
        client.shutdown(socket.SHUT_WR)
        return client.makefile("rb").read().decode()


def test_connections_are_shared_by_weight(gateway: Gateway) -> None:
    with server("one") as one, server("two") as two:
        gateway.share([Backend("1", one, None, 80), Backend("2", two, None, 20)])
        answers = [ask(gateway) for _ in range(100)]
    assert set(answers) == {"one", "two"}
    assert 60 <= answers.count("one") <= 95


def test_grpc_goes_to_the_other_port_and_nowhere_without_one(gateway: Gateway) -> None:
    with server("http") as http, server("grpc") as grpc:
        gateway.share([Backend("1", http, grpc, 100)])
        assert ask(gateway, b"PRI * HTTP/2.0\r\n\r\n") == "grpc"
        assert ask(gateway) == "http"
        gateway.share([Backend("1", http, None, 100)])
        assert "503" in ask(gateway, b"PRI * HTTP/2.0\r\n\r\n")


def test_without_a_backend_there_is_no_answer(gateway: Gateway) -> None:
    gateway.share([Backend("1", 1, 1, 0)])
    assert "503" in ask(gateway)


def route(*weights: dict[str, int]) -> dict[str, Any]:
    rules = [{"backendRefs": [{"name": name, "weight": weight} for name, weight in one.items()]} for one in weights]
    return {"spec": {"rules": rules}}


def test_a_routes_weights_are_those_of_its_services() -> None:
    known = {"a": Backend("a-1", 1, 2, 1), "b": Backend("b-1", 3, 4, 1)}
    assert backends_of(route({"a": 80, "b": 20}, {"a": 80, "b": 20}), known) == [
        Backend("a", 1, 2, 80),
        Backend("b", 3, 4, 20),
    ]
    assert backends_of(route({"a": 80, "gone": 20}), known) == [Backend("a", 1, 2, 80)]


def test_rules_with_other_weights_are_refused() -> None:
    with pytest.raises(ValueError, match="one set of weights"):
        backends_of(route({"a": 80}, {"a": 20}), {})
