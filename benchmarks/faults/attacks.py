"""Attacks: raw bytes over HTTP and HTTP/2, and gRPC calls that never end."""

import socket
import struct
import threading
from collections.abc import Iterator
from typing import Any

SERVICE = "/inference.GRPCInferenceService/"
LONG = "x" * 100_000
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def exchange(port: int, sent: bytes) -> tuple[int, bytes]:
    """Send bytes; return status and response; status 0 where the server closes without a response."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(sent)
        found = b""
        while part := connection.recv(65_536):
            found += part
    return int(found[9:12]) if found.startswith(b"HTTP/1.1 ") else 0, found


def post(path: str, body: bytes, *headers: tuple[str, str]) -> bytes:
    """Build an HTTP request as bytes, with exactly these headers plus the length."""
    lines = [f"POST {path} HTTP/1.1", "host: a", "connection: close", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def frame(kind: int, flags: int, stream: int, content: bytes) -> bytes:
    """Build one HTTP/2 frame (RFC 9113, 4.1)."""
    return struct.pack(">I", len(content))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + content


def headers_of(path: bytes) -> bytes:
    """Encode the headers of a gRPC call as HPACK literals without indexing (RFC 7541, 6.2.2)."""
    pairs = {b":method": b"POST", b":scheme": b"http", b":path": path, b":authority": b"a"}
    pairs |= {b"te": b"trailers", b"content-type": b"application/grpc"}
    return b"".join(b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value for name, value in pairs.items())


def call_path(port: int, path: bytes) -> None:
    """Call a gRPC path, any bytes; return after a response or when the connection closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(PREFACE + frame(4, 0, 0, b"") + frame(1, 5, 1, headers_of(path)))
        found = b""
        while b"grpc-status" not in found and (part := connection.recv(65_536)):
            found += part


def unfinished(channel: Any, method: str, metadata: Any = ()) -> Any:
    """Start a gRPC call whose message is never sent."""
    ended = threading.Event()

    def nothing() -> Iterator[bytes]:
        ended.wait()
        yield from ()

    call = channel.stream_unary(SERVICE + method).future(nothing(), metadata=metadata, timeout=120)
    call.add_done_callback(lambda _: ended.set())
    return call
