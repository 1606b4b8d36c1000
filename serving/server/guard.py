"""The guard in front of the REST handlers: what they would answer with 500, or take at any size, ends here.

A pure ASGI middleware. It asks for the token, reads the whole body within a limit and a deadline, and refuses what is
no JSON document of the right content type; the protocols' own checks come after it. It gives every request an id, which
the answer says.
"""

import json
import logging
import re
from typing import Any

from serving.errors import OverloadedError, RefusalError
from serving.server.document import BINARY, JSON, JSON_LENGTH, check_document, whole_number
from serving.server.drain import Drain
from serving.server.incoming_bodies import IncomingBodies
from serving.server.request_headers import REQUEST_ID, TIMEOUT, request_id
from serving.server.tensor_document import check_tensors
from serving.settings.limits import Limits
from serving.settings.token import authorised
from serving.shown import reason, shown

_CALL = re.compile(r"/(v1/models/[^/]+:predict|v2/models/[^/]+/infer)")
_CLOSED = re.compile(r"/(v1/models/[^/]+:explain|v2/models/[^/]+/versions/.*|v2/repository/.*)", re.DOTALL)
_PROBES = re.compile(r"/(livez|readyz|healthz|v2/health/(live|ready)|v2/models/[^/]+/ready)?")
_PAGE = re.compile(r"/ui(/|/static/.*)?")
DOCUMENT = "heliograph.document"
"""The scope's entry for the document of a body that was checked, so that nobody need read it again."""
_ONCE = [
    name.encode()
    for name in ("authorization", "content-type", "content-length", "content-encoding", JSON_LENGTH, TIMEOUT)
]
"""Headers that change what is done: of two values, one reader would take the first and another the last."""
_LONGEST = 2**63 - 1
_logger = logging.getLogger("heliograph")


class RequestGuard:
    """ASGI middleware; ``limits`` bound the bodies' size, number and time, ``token`` is None where everybody may ask.

    ``drain``: counts the requests, and has connections closed once it has begun.
    """

    def __init__(self, app: Any, limits: Limits, token: str | None = None, drain: Drain | None = None) -> None:
        self._app, self._limits, self._token = app, limits, token
        self._drain = drain or Drain(limits.drain_seconds)
        self._bodies = IncomingBodies(limits.bodies, limits.body_seconds)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Let a request through, its body read and checked, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sending = _Sending(send, _header(scope, REQUEST_ID), self._drain)
        try:
            if _is_open(scope):
                await self._app(scope, _replay(b"", receive), sending)
            else:
                self._check_token(scope)
                with self._drain.request():
                    body = await self._checked(scope, receive, sending)
                    await self._app(scope, _replay(body, receive), sending)
        except RefusalError as refused:
            await sending.answer(refused.status, refused.reason, refused.headers)
        except Exception:
            _logger.exception("a request failed")
            if sending.begun:
                raise
            await sending.answer(500, "the server failed; its log says where", {})

    def _check_token(self, scope: dict[str, Any]) -> None:
        """First of all: nothing is counted or read for who does not show it."""
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        if not authorised(given[0] if len(given) == 1 else None, self._token):
            raise RefusalError(401, "expected the token of this server", {"www-authenticate": "Bearer"})

    async def _checked(self, scope: dict[str, Any], receive: Any, sending: "_Sending") -> bytes:
        path, headers = scope["path"], dict(scope["headers"])
        if len(headers) < len(scope["headers"]):
            _check_once([name for name, _ in scope["headers"]])
        if _CLOSED.fullmatch(path):
            raise RefusalError(404, f"{shown(path)}: expected a prediction by the one model that is served")
        if any(name.startswith(b"ce-") for name in headers):
            raise RefusalError(400, "expected a plain request; found the headers of a CloudEvent")
        body = await self._body(headers, receive)
        if scope["method"] == "POST" and _CALL.fullmatch(path):
            self._check_document(scope, headers, body, sending)
        return body

    async def _body(self, headers: dict[bytes, bytes], receive: Any) -> bytes:
        limits = self._limits
        if whole_number("content-length", headers.get(b"content-length", b"0"), _LONGEST) > limits.body_bytes:
            raise _too_large(limits)
        coding = headers.get(b"content-encoding", b"").decode("latin-1").strip()
        if coding.lower() not in ("", "identity"):
            raise RefusalError(400, f"content-encoding: expected none; found {shown(coding)}")
        try:
            return await self._bodies.whole(_read(receive, limits))
        except TimeoutError as error:
            raise RefusalError(408, str(error)) from None
        except OverloadedError as error:
            raise RefusalError(429, str(error), {"retry-after": str(error.retry_after)}) from None

    def _check_document(
        self, scope: dict[str, Any], headers: dict[bytes, bytes], body: bytes, sending: "_Sending"
    ) -> None:
        content_type = headers.get(b"content-type", b"").decode("latin-1")
        tensors = scope["path"].startswith("/v2/")
        json_length = headers.get(JSON_LENGTH.encode()) if tensors else None
        document = scope[DOCUMENT] = check_document(content_type, body, json_length)
        sending.request_id = request_id({REQUEST_ID: sending.request_id}, document.get("id"))
        # The handlers compare the content type with the bare one; parameters such as a charset would throw them.
        bare = BINARY if content_type.lower().startswith(BINARY) else JSON
        if tensors:
            check_tensors(document, None if bare == JSON or json_length is None else len(body) - int(json_length))
        ours = {b"content-type": bare.encode(), REQUEST_ID.encode(): sending.request_id.encode()}
        scope["headers"] = [pair for pair in scope["headers"] if pair[0] not in ours] + list(ours.items())


def _is_open(scope: dict[str, Any]) -> bool:
    """Whether everybody may ask, token or not, also where all bodies are taken: nothing is read or counted."""
    path = scope["path"]
    return scope["method"] == "GET" and bool(_PROBES.fullmatch(path) or _PAGE.fullmatch(path))


class _Sending:
    """ASGI's ``send``, with the request's id on the answer, and the connection closed while the server drains."""

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

    async def answer(self, status: int, message: str, headers: dict[str, str]) -> None:
        content = json.dumps({"error": reason(message)}).encode()
        pairs = [(b"content-type", JSON.encode()), (b"content-length", str(len(content)).encode())]
        pairs += [(name.encode(), value.encode()) for name, value in headers.items()]
        await self({"type": "http.response.start", "status": status, "headers": pairs})
        await self({"type": "http.response.body", "body": content})


async def _read(receive: Any, limits: Limits) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise RefusalError(400, "body: expected all of it; the connection was closed before")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limits.body_bytes:
            raise _too_large(limits)
        if not message.get("more_body", False):
            return b"".join(parts)


def _check_once(names: list[bytes]) -> None:
    for name in _ONCE:
        if names.count(name) > 1:
            raise RefusalError(400, f"{name.decode()}: expected this header once; found it {names.count(name)} times")


def _too_large(limits: Limits) -> RefusalError:
    return RefusalError(413, f"body: expected at most {limits.body_bytes} bytes; found more")


def _header(scope: dict[str, Any], name: str) -> str:
    return dict(scope["headers"]).get(name.encode(), b"").decode("latin-1")


def _replay(body: bytes, receive: Any) -> Any:
    """A ``receive`` that hands out the body that was read, then what comes after it."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Any:
        return messages.pop() if messages else await receive()

    return again
