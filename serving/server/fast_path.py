"""The short way of a v1 document: from the guard to KServe's model, past the routes in between.

A pure ASGI middleware behind the guard (``serving.server.guard``), which has checked the document and turns refusals into
answers. FastAPI's and KServe's routing, dependencies and second decoding cost a tenth of a request and do nothing for a
document; everything else that is asked goes that way.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson

from serving.errors import OverloadedError, RefusalError, RequestError, UnavailableError
from serving.server.document import JSON
from serving.server.guard import DOCUMENT

Predict = Callable[[Any, Mapping[str, str]], Awaitable[Any]]
"""From a v1 document and the headers by lower-case name to the document that is answered."""


class FastPath:
    """ASGI middleware; ``path`` is that of the one model, ``predict`` raises the errors of ``serving.server.ranking_runtime``."""

    def __init__(self, app: Any, path: str, predict: Predict) -> None:
        self._app, self._path, self._predict = app, path, predict

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Answer a document, or let any other request through. Raises RefusalError."""
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] != self._path:
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        content = orjson.dumps(await self._answer(scope[DOCUMENT], headers))
        pairs = [(b"content-type", JSON.encode()), (b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": pairs})
        await send({"type": "http.response.body", "body": content})

    async def _answer(self, document: Any, headers: Mapping[str, str]) -> Any:
        try:
            return await self._predict(document, headers)
        except RequestError as error:
            raise RefusalError(400, str(error)) from None
        except OverloadedError as error:
            raise RefusalError(429, str(error), {"retry-after": str(error.retry_after)}) from None
        except UnavailableError as error:
            raise RefusalError(503, str(error)) from None
