"""Fast path for prediction requests and outcomes: from the request guard straight to the model or the outcome log.

A pure ASGI middleware behind the guard (``serving.server.guard``), which has parsed the body and turns errors into
responses. The routing, dependencies and second parsing of FastAPI and KServe (or BentoML) cost a tenth of a request;
all other requests still go through them.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from serving.server.document import BINARY, JSON, JSON_LENGTH, Body
from serving.server.guard import BODY
from serving.server.tensors import infer_request, infer_response

if TYPE_CHECKING:
    from kserve import InferRequest

Predict = Callable[["dict[str, Any] | InferRequest", Mapping[str, str]], Awaitable[Any]]
"""From a v1 document or v2 tensors, and the headers by lower-case name, to the result in the same protocol."""


class Response(NamedTuple):
    """Body and headers of a response with status 200."""

    content: bytes
    headers: Mapping[str, str]


Handler = Callable[[Body, Mapping[str, str]], Awaitable[Response]]
"""From a parsed body and the headers by lower-case name to the response; raises the errors of ``serving.errors``."""


class FastPath:
    """ASGI middleware; ``handlers`` by path. Errors propagate to the guard."""

    def __init__(self, app: Any, handlers: Mapping[str, Handler]) -> None:
        self._app, self._handlers = app, handlers

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Handle a POST to one of the paths; pass any other request on."""
        handler = self._handlers.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if handler is None:
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        response = await handler(scope[BODY], headers)
        pairs = [(name.encode(), value.encode()) for name, value in response.headers.items()]
        pairs.append((b"content-length", str(len(response.content)).encode()))
        await send({"type": "http.response.start", "status": 200, "headers": pairs})
        await send({"type": "http.response.body", "body": response.content})


def v1_handler(predict: Predict) -> Handler:
    """The handler of ``POST /v1/models/<name>:predict``."""

    async def handle(body: Body, headers: Mapping[str, str]) -> Response:
        return Response(orjson.dumps(await predict(body.document, headers)), {"content-type": JSON})

    return handle


def v2_handler(predict: Predict, name: str) -> Handler:
    """The handler of ``POST /v2/models/<name>/infer``."""

    async def handle(body: Body, headers: Mapping[str, str]) -> Response:
        content, json_length = infer_response(await predict(infer_request(body, name), headers))
        if json_length is None:
            return Response(content, {"content-type": JSON})
        return Response(content, {"content-type": BINARY, JSON_LENGTH: str(json_length)})

    return handle
