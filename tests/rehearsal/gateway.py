"""A gateway on loopback: sends each connection to one of several predictors, by weight; HTTP and gRPC at one port."""

import random
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

HOST = "127.0.0.1"
_HTTP2 = b"PRI * HTTP/2"
"""What a gRPC client sends first."""
_BYTES = 1 << 16


@dataclass(frozen=True)
class Backend:
    """A predictor's ports, and its weight; ``grpc`` is None where the platform routes HTTP only."""

    name: str
    http: int
    grpc: int | None
    weight: int


class Gateway:
    """Listens at ``port`` until it is closed. ``served``: connections by backend."""

    def __init__(self) -> None:
        self._backends: tuple[Backend, ...] = ()
        self.served: dict[str, int] = {}
        self._draw = random.Random(7)
        self._socket = socket.create_server((HOST, 0), backlog=128)
        self.port = int(self._socket.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        """Its HTTP address."""
        return f"http://{HOST}:{self.port}"

    def share(self, backends: Sequence[Backend]) -> None:
        """Send new connections to these from now on."""
        self._backends = tuple(one for one in backends if one.weight)

    def close(self) -> None:
        """Accept no more connections."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        """Send a connection on; one without a backend is closed with a 503."""
        with client, suppress(OSError):
            first = client.recv(_BYTES)
            backend = self._choose(first.startswith(_HTTP2))
            port = None if backend is None else backend.grpc if first.startswith(_HTTP2) else backend.http
            if backend is None or port is None:
                client.sendall(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                return
            self.served[backend.name] = self.served.get(backend.name, 0) + 1
            with socket.create_connection((HOST, port)) as server:
                server.sendall(first)
                back = threading.Thread(target=_copy, args=(server, client), daemon=True)
                back.start()
                _copy(client, server)
                back.join()

    def _choose(self, http2: bool) -> Backend | None:
        able = [one for one in self._backends if not http2 or one.grpc is not None]
        return self._draw.choices(able, [one.weight for one in able])[0] if able else None


def _copy(source: socket.socket, target: socket.socket) -> None:
    """Copy bytes until the source ends, then say so to the target."""
    with suppress(OSError):
        while data := source.recv(_BYTES):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def backends_of(route: dict[str, Any], known: dict[str, Backend]) -> list[Backend]:
    """The backends of an HTTPRoute with its weights. ``known``: by Kubernetes Service.

    Every rule has to name the same weights: gRPC and HTTP of one model go the same way. Raises ValueError.
    """
    rules = route["spec"]["rules"]
    weights = [{one["name"]: one.get("weight", 1) for one in rule["backendRefs"]} for rule in rules]
    if any(one != weights[0] for one in weights):
        raise ValueError(f"expected one set of weights for every rule of the route; found {weights}")
    return [
        Backend(name, known[name].http, known[name].grpc, weight)
        for name, weight in weights[0].items()
        if name in known
    ]
