"""HTTP connections of uvicorn with bounds on time and size: uvicorn itself waits for slow clients without a limit."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.errors import ErrorResponse
from serving.server.document import JSON

MAX_CONNECTIONS = 2048
"""Beyond so many, idle connections are closed, the longest idle first."""
SPARE_CONNECTIONS = 128
"""Beyond ``MAX_CONNECTIONS``, while none is idle; uvicorn refuses further ones with 503 before reading anything."""
_HEADERS_SECONDS = 10.0
"""From the start of a connection, or of a further request on it, to the end of the headers."""
_HEADERS_BYTES = 64 << 10
_PHRASES = {400: "Bad Request", 408: "Request Timeout", 431: "Request Header Fields Too Large"}
_REST_SECONDS = 5.0
"""Added to the deadline of a body: the rest of a refused one may still be arriving."""


class _CoalescingTransport(asyncio.Transport):
    """Sends everything written in one turn of the event loop with one call: a response's headers and its body.

    A server that is killed between two calls would leave half a response, which the proxy cannot retry.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._written: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send the data at the end of this turn."""
        if not self._written:
            self._loop.call_soon(self._send)
        self._written.append(bytes(data))

    def close(self) -> None:
        """Send what was written, then close the connection."""
        self._send()
        self._transport.close()

    def is_closing(self) -> bool:
        """Whether the connection is closing or closed."""
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """As the transport's."""
        return self._transport.get_extra_info(name, default)

    def pause_reading(self) -> None:
        """As the transport's."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """As the transport's."""
        self._transport.resume_reading()

    def _send(self) -> None:
        written, self._written = self._written, []
        if written and not self.is_closing():
            self._transport.write(b"".join(written))


class BoundedProtocol(HttpToolsProtocol):
    """One connection; it is closed, with an error where possible, if its headers or its request arrive too slowly.

    ``body_seconds``: deadline of a body; ``idle``: the idle connections of the server, longest idle first.
    """

    def __init__(self, *arguments: Any, body_seconds: float, idle: "dict[BoundedProtocol, None]", **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._body_seconds, self._idle = body_seconds, idle

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a request; close the longest idle connection if there are too many."""
        super().connection_made(_CoalescingTransport(transport, self.loop))
        self._in_headers, self._complete, self._header_bytes = True, False, 0
        self._timer: asyncio.TimerHandle | None = self.loop.call_later(_HEADERS_SECONDS, self._give_up)
        self._idle[self] = None
        if len(self.connections) > MAX_CONNECTIONS:
            longest = next(iter(self._idle))
            del self._idle[longest]
            longest.transport.close()

    def data_received(self, data: bytes) -> None:
        """Parse data; a timer runs only while a request is incomplete, which is rare."""
        in_headers = self._in_headers
        super().data_received(data)
        if self.parser is None or self.transport.is_closing():
            return
        if self._complete:
            self._set_timer(None)
        elif self._in_headers:
            self._header_bytes += len(data)
            if self._header_bytes > _HEADERS_BYTES:
                self._refuse(431, f"headers: expected at most {_HEADERS_BYTES} bytes; found more")
            elif self._timer is None:
                self._set_timer(_HEADERS_SECONDS)
        elif in_headers:
            self._set_timer(self._body_seconds + _REST_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        self._idle.pop(self, None)
        self._set_timer(None)
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """A request begins."""
        self._in_headers, self._complete, self._header_bytes = True, False, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The headers are complete: the connection is not idle."""
        self._in_headers = False
        self._idle.pop(self, None)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is complete."""
        self._complete = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The connection is idle until the next request."""
        if not self.transport.is_closing():
            self._idle[self] = None
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not valid HTTP."""
        self._refuse(400, "request: expected valid HTTP/1.1 with valid lengths and headers; found another")

    def _set_timer(self, seconds: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if seconds is None else self.loop.call_later(seconds, self._give_up)

    def _give_up(self) -> None:
        self._timer = None
        if self.transport.is_closing():
            return
        if self._in_headers and self._header_bytes:
            self._refuse(408, f"headers: expected all of them within {_HEADERS_SECONDS:g} s")
        else:
            self.transport.close()

    def _refuse(self, status: int, reason: str) -> None:
        """Send an error and close the connection: where the next request would begin is unknown."""
        content = ErrorResponse(status, reason).content
        lines = (
            f"HTTP/1.1 {status} {_PHRASES[status]}",
            f"content-type: {JSON}",
            f"content-length: {len(content)}",
            "connection: close",
        )
        self.transport.write("\r\n".join((*lines, "", "")).encode() + content)
        self.transport.close()
