"""Request guard: an ASGI middleware that authenticates, reads and validates a request before any REST handler sees it.

It checks the token, reads the whole body within a size and a deadline, parses it once and refuses what is not valid
JSON of the right content type. The parsed body is left in the scope. Every request gets an id, which the response
carries; every error becomes a response here.
"""

import logging
import re
from typing import Any

from serving.errors import FAILED, ErrorResponse, RefusalError, error_response
from serving.server.document import BINARY, JSON, JSON_LENGTH, parse_body, whole_number
from serving.server.drain import Drain
from serving.server.incoming_bodies import IncomingBodies
from serving.server.request_headers import REQUEST_ID, TIMEOUT, request_id
from serving.server.tensor_document import check_tensors
from serving.settings.limits import Limits
from serving.settings.token import check_token
from serving.untrusted import quoted

_DOCUMENTS = re.compile(r"/(v1/models/[^/]+:(predict|outcomes)|v2/models/[^/]+/infer)")
"""Paths whose body is JSON: predictions and outcomes."""
_CLOSED = re.compile(r"/(v1/models/[^/]+:explain|v2/models/[^/]+/versions/.*|v2/repository/.*)", re.DOTALL)
_PROBES = re.compile(r"/(livez|readyz|healthz|v2/health/(live|ready)|v2/models/[^/]+/ready)?")
_PAGE = re.compile(r"/ui(/|/static/.*)?")
BODY = "heliograph.body"
"""Key of the parsed body (``serving.server.document.Body``) in the scope of a request that has one."""
_SINGLE = [
    name.encode()
    for name in ("authorization", "content-type", "content-length", "content-encoding", JSON_LENGTH, TIMEOUT)
]
"""Headers with an effect: of two values, one reader would take the first and another the last."""
_MAX_LENGTH = 2**63 - 1
_logger = logging.getLogger("heliograph")


class RequestGuard:
    """ASGI middleware; ``limits`` bound size, number and time of bodies; without a ``token`` the server is open.

    ``drain`` counts the requests; connections are closed once it has begun.
    """

    def __init__(self, app: Any, limits: Limits, token: str | None = None, drain: Drain | None = None) -> None:
        self._app, self._limits, self._token = app, limits, token
        self._drain = drain or Drain(limits.drain_seconds)
        self._bodies = IncomingBodies(limits.bodies, limits.body_seconds)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Pass a valid request on, its body read; respond to any other with an error."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sender = _Sender(send, _header(scope, REQUEST_ID), self._drain)
        try:
            if _is_open(scope):
                await self._app(scope, _replay(b"", receive), sender)
            else:
                # Before anything is counted or read.
                check_token([value for name, value in scope["headers"] if name == b"authorization"], self._token)
                with self._drain.request():
                    content = await self._checked(scope, receive, sender)
                    await self._app(scope, _replay(content, receive), sender)
        except Exception as error:
            response = error_response(error)
            if response is None or sender.begun:
                _logger.exception("a request failed")
            if sender.begun:
                raise
            await sender.respond(response or FAILED)

    async def _checked(self, scope: dict[str, Any], receive: Any, sender: "_Sender") -> bytes:
        """The body's bytes, after all checks. Raises RefusalError, OverloadedError."""
        path, headers = scope["path"], dict(scope["headers"])
        if len(headers) < len(scope["headers"]):
            _check_single([name for name, _ in scope["headers"]])
        if _CLOSED.fullmatch(path):
            raise RefusalError(404, f"{quoted(path)}: expected a prediction by the one model that is served")
        if any(name.startswith(b"ce-") for name in headers):
            raise RefusalError(400, "expected a plain request; found the headers of a CloudEvent")
        content = await self._read(headers, receive)
        if scope["method"] == "POST" and _DOCUMENTS.fullmatch(path):
            _parse(scope, headers, content, sender)
        return content

    async def _read(self, headers: dict[bytes, bytes], receive: Any) -> bytes:
        limits = self._limits
        if whole_number("content-length", headers.get(b"content-length", b"0"), _MAX_LENGTH) > limits.body_bytes:
            raise _too_large(limits)
        coding = headers.get(b"content-encoding", b"").decode("latin-1").strip()
        if coding.lower() not in ("", "identity"):
            raise RefusalError(400, f"content-encoding: expected none; found {quoted(coding)}")
        return await self._bodies.read(_read_all(receive, limits))


def _parse(scope: dict[str, Any], headers: dict[bytes, bytes], content: bytes, sender: "_Sender") -> None:
    """Put the parsed body, the request id and a plain content type into the scope. Raises RefusalError."""
    content_type = headers.get(b"content-type", b"").decode("latin-1")
    is_v2 = scope["path"].startswith("/v2/")
    body = parse_body(content_type, content, headers.get(JSON_LENGTH.encode()) if is_v2 else None)
    sender.request_id = request_id({REQUEST_ID: sender.request_id}, body.document.get("id"))
    if is_v2:
        check_tensors(body)
    # Handlers compare the whole content type: parameters such as a charset would confuse them.
    kind = JSON if body.tensors is None else BINARY
    ours = {b"content-type": kind.encode(), REQUEST_ID.encode(): sender.request_id.encode()}
    scope["headers"] = [pair for pair in scope["headers"] if pair[0] not in ours] + list(ours.items())
    scope[BODY] = body


def _is_open(scope: dict[str, Any]) -> bool:
    """Whether a request needs no token and no room for its body: probes and the page's files."""
    path = scope["path"]
    return scope["method"] == "GET" and bool(_PROBES.fullmatch(path) or _PAGE.fullmatch(path))


class _Sender:
    """ASGI's ``send`` that adds the request id to the response, and closes the connection during the drain."""

    def __init__(self, send: Any, given: str, drain: Drain) -> None:
        self._send, self._drain = send, drain
        self.request_id = given
        self.begun = False

    async def __call__(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            added = [(REQUEST_ID.encode(), request_id({REQUEST_ID: self.request_id}).encode())]
            if self._drain.begun:
                added.append((b"connection", b"close"))
            message = {**message, "headers": [*message.get("headers", []), *added]}
        await self._send(message)

    async def respond(self, response: ErrorResponse) -> None:
        content = response.content
        headers = {"content-type": JSON, "content-length": str(len(content)), **response.headers}
        pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
        await self({"type": "http.response.start", "status": response.status, "headers": pairs})
        await self({"type": "http.response.body", "body": content})


async def _read_all(receive: Any, limits: Limits) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise RefusalError(400, "body: expected all of it; found the end of the connection")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limits.body_bytes:
            raise _too_large(limits)
        if not message.get("more_body", False):
            return b"".join(parts)


def _check_single(names: list[bytes]) -> None:
    for name in _SINGLE:
        if names.count(name) > 1:
            raise RefusalError(400, f"{name.decode()}: expected this header once; found it {names.count(name)} times")


def _too_large(limits: Limits) -> RefusalError:
    return RefusalError(413, f"body: expected at most {limits.body_bytes} bytes; found more")


def _header(scope: dict[str, Any], name: str) -> str:
    return dict(scope["headers"]).get(name.encode(), b"").decode("latin-1")


def _replay(content: bytes, receive: Any) -> Any:
    """A ``receive`` that returns the body that was read, then whatever follows it."""
    messages = [{"type": "http.request", "body": content, "more_body": False}]

    async def again() -> Any:
        return messages.pop() if messages else await receive()

    return again
