"""The door in front of KServe's REST handlers: what they would answer with 500, or take at any size, ends here.

A pure ASGI middleware. It reads the whole body within a limit and a deadline, and refuses what is no JSON document of
the right content type; the protocols' own checks come after it.
"""

import asyncio
import json
import re
from typing import Any

import orjson

from serving.request import Limits

JSON, BINARY = "application/json", "application/octet-stream"
_CALL = re.compile(r"^/(v1/models/[^/]+:predict|v2/models/[^/]+/infer)$")
_CLOSED = re.compile(r"^/(v1/models/[^/]+:explain|v2/models/[^/]+/versions/.*|v2/repository/.*)$")
_JSON_LENGTH = b"inference-header-content-length"


class RefusalError(Exception):
    """Raised inside the door: the status and the reason to answer with."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


class Door:
    """ASGI middleware; ``limits`` bound the body's size and the time that it may take to arrive."""

    def __init__(self, app: Any, limits: Limits) -> None:
        self._app, self._limits = app, limits

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Let a request through, its body read and checked, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            body = await self._checked(scope, receive)
        except RefusalError as refused:
            await _answer(send, refused.status, refused.reason)
            return
        await self._app(scope, _replay(body, receive), send)

    async def _checked(self, scope: dict[str, Any], receive: Any) -> bytes:
        if _CLOSED.match(scope["path"]):
            raise RefusalError(404, f"{scope['path']:.100}: expected a prediction by the one model that is served")
        headers = dict(scope["headers"])
        if any(name.startswith(b"ce-") for name in headers):
            raise RefusalError(400, "expected a plain request; found the headers of a CloudEvent")
        body = await self._body(headers, receive)
        if scope["method"] == "POST" and _CALL.match(scope["path"]):
            self._check_document(scope, headers, body)
        return body

    async def _body(self, headers: dict[bytes, bytes], receive: Any) -> bytes:
        limit = self._limits.body_bytes
        too_large = RefusalError(413, f"body: expected at most {limit} bytes; found more")
        length = headers.get(b"content-length", b"0")
        if not length.isdigit():
            raise RefusalError(400, "content-length: expected a number; found something else")
        if int(length[:19]) > limit:
            raise too_large
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                while True:
                    message = await receive()
                    if message["type"] != "http.request":
                        raise RefusalError(400, "body: expected all of it; the connection was closed before")
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > limit:
                        raise too_large
                    if not message.get("more_body", False):
                        return b"".join(parts)
        except TimeoutError:
            raise RefusalError(408, f"body: expected all of it within {self._limits.body_seconds:g} s") from None

    def _check_document(self, scope: dict[str, Any], headers: dict[bytes, bytes], body: bytes) -> None:
        content_type = headers.get(b"content-type", b"").decode("latin-1").split(";")[0].strip().lower()
        binary = content_type == BINARY and _JSON_LENGTH in headers and scope["path"].startswith("/v2/")
        if content_type != JSON and not binary:
            raise RefusalError(400, f"content-type: expected {JSON}; found {content_type[:60] or 'none'}")
        if binary:
            length = headers[_JSON_LENGTH]
            if not length.isdigit() or int(length[:19]) > len(body):
                raise RefusalError(400, "inference-header-content-length: expected the length of the JSON part")
            body = body[: int(length)]
        else:
            # The handlers compare the header with the bare type; parameters such as a charset would throw them.
            others = [(name, value) for name, value in scope["headers"] if name != b"content-type"]
            scope["headers"] = [*others, (b"content-type", JSON.encode())]
        try:
            document = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise RefusalError(400, f"body: expected JSON in UTF-8; found {str(error)[:100]}") from None
        if not isinstance(document, dict):
            raise RefusalError(400, f"body: expected an object; found {type(document).__name__}")


def _replay(body: bytes, receive: Any) -> Any:
    """A ``receive`` that hands out the body that was read, then what comes after it."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Any:
        return messages.pop() if messages else await receive()

    return again


async def _answer(send: Any, status: int, reason: str) -> None:
    content = json.dumps({"error": reason}).encode()
    headers = [(b"content-type", JSON.encode()), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
