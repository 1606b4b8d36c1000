"""uvicorn's HTTP connections with bounds in time and size, which it has for none that asks too slowly."""

import asyncio
from typing import Any

MOST = 2048
"""Connections. Beyond so many those that ask nothing are closed, the longest quiet first."""
SPARE = 128
"""Connections beyond, where all ask; further ones uvicorn itself answers with 503, before anything is read."""
_HEAD_SECONDS = 10.0
"""From the begin of a connection, or of a request on it, to the end of its headers."""
_HEAD_BYTES = 64 << 10
_PHRASES = {400: "Bad Request", 408: "Request Timeout", 431: "Request Header Fields Too Large"}
_REST_SECONDS = 5.0
"""Beside the time that a body has: one that was refused meanwhile may still be on its way."""


class _Joined(asyncio.Transport):
    """Sends what is written in one turn of the event loop with one call: an answer's headers and its body.

    A server that is killed between the two would leave a half answer, which the proxy can not ask for once more.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._written: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send it at the end of this turn."""
        if not self._written:
            self._loop.call_soon(self._send)
        self._written.append(bytes(data))

    def close(self) -> None:
        """Close the connection behind what was written."""
        self._send()
        self._transport.close()

    def is_closing(self) -> bool:
        """Whether nothing more is sent."""
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What the transport knows of the connection."""
        return self._transport.get_extra_info(name, default)

    def pause_reading(self) -> None:
        """Receive nothing for now."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Receive again."""
        self._transport.resume_reading()

    def _send(self) -> None:
        written, self._written = self._written, []
        if written and not self.is_closing():
            self._transport.write(b"".join(written))


def bounded_protocol(body_seconds: float) -> type:
    """The class of uvicorn's that makes a connection of its own for every caller."""
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    quiet: dict[Any, None] = {}

    class BoundedProtocol(HttpToolsProtocol):
        """Closes what sends no whole head, or no whole request, in time; it is told why where it can be."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            """Begin to wait for a request."""
            super().connection_made(_Joined(transport, self.loop))
            self._head, self._whole, self._bytes = True, False, 0
            self._timer: asyncio.TimerHandle | None = self.loop.call_later(_HEAD_SECONDS, self._give_up)
            quiet[self] = None
            if len(self.connections) > MOST:
                longest = next(iter(quiet))
                del quiet[longest]
                longest.transport.close()

        def data_received(self, data: bytes) -> None:
            """Nearly always a whole request at once: then no time need be watched."""
            waited = self._head
            super().data_received(data)
            if self.parser is None or self.transport.is_closing():
                return
            if self._whole:
                self._watch(None)
            elif self._head:
                self._bytes += len(data)
                if self._bytes > _HEAD_BYTES:
                    self._refuse(431, "headers: expected at most 65536 bytes; found more")
                elif self._timer is None:
                    self._watch(_HEAD_SECONDS)
            elif waited:
                self._watch(body_seconds + _REST_SECONDS)

        def connection_lost(self, exc: Exception | None) -> None:
            """Nothing is waited for any more."""
            quiet.pop(self, None)
            self._watch(None)
            super().connection_lost(exc)

        def on_message_begin(self) -> None:
            """A request."""
            self._head, self._whole, self._bytes = True, False, 0
            super().on_message_begin()

        def on_headers_complete(self) -> None:
            """It asks something."""
            self._head = False
            quiet.pop(self, None)
            super().on_headers_complete()

        def on_message_complete(self) -> None:
            """It has asked."""
            self._whole = True
            super().on_message_complete()

        def on_response_complete(self) -> None:
            """It may ask again."""
            if not self.transport.is_closing():
                quiet[self] = None
            super().on_response_complete()

        def _watch(self, seconds: float | None) -> None:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = None if seconds is None else self.loop.call_later(seconds, self._give_up)

        def _give_up(self) -> None:
            self._timer = None
            if self.transport.is_closing():
                return
            if self._head and self._bytes:
                self._refuse(408, f"headers: expected all of them within {_HEAD_SECONDS:g} s")
            else:
                self.transport.close()

        def send_400_response(self, msg: str) -> None:
            """What is no HTTP."""
            self._refuse(400, "request: expected one of HTTP/1.1 whose lengths and headers are sound; found another")

        def _refuse(self, status: int, reason: str) -> None:
            """In the form of all answers; the connection is closed then: nobody knows where the next request begins."""
            content = f'{{"error": "{reason}"}}'
            lines = (
                f"HTTP/1.1 {status} {_PHRASES[status]}",
                "content-type: application/json",
                f"content-length: {len(content)}",
                "connection: close",
            )
            self.transport.write("\r\n".join((*lines, "", content)).encode())
            self.transport.close()

    return BoundedProtocol
