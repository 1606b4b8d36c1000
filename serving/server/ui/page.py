"""Routes of the page: its three files, which need no token, and its choices, which need the server's token.

The page requests slates as any client does: POST /v1/models/<name>:predict.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from models.spec import Spec
from serving.errors import ErrorResponse, OverloadedError, error_response
from serving.ranking.keys import Key
from serving.server.admission import Admission
from serving.server.document import JSON
from serving.server.ui.offers import offers
from serving.settings.settings import Settings

STATIC = Path(__file__).parent / "static"
_TYPES = {"page.css": "text/css", "page.js": "text/javascript"}
_WAITING = 3
"""Requests that may wait while the choices are read for another."""
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}


def mount(app: Any, spec: Spec, settings: Settings, popular: Sequence[Key] = ()) -> None:
    """Add the page's routes to the FastAPI application of a server.

    ``popular``: items to start with while nothing has been served yet.
    """
    from fastapi.responses import JSONResponse, Response

    def file(name: str, kind: str) -> Response:
        return Response((STATIC / name).read_bytes(), media_type=kind, headers=_HEADERS)

    async def page() -> Response:
        return file("page.html", "text/html")

    async def static(name: str) -> Response:
        if name not in _TYPES:
            missing = ErrorResponse(404, "expected a file of the page; found none")
            return Response(missing.content, missing.status, media_type=JSON)
        return file(name, _TYPES[name])

    # Reading megabytes of log: one at a time, apart from the predictions.
    admission = Admission(replace(settings.limits, concurrent=1, waiting=_WAITING))

    async def choices() -> Response:
        try:
            async with admission.admit():
                return JSONResponse(await asyncio.to_thread(offers, spec, settings, popular), headers=_HEADERS)
        except OverloadedError as error:
            refusal = error_response(error)
            assert refusal is not None
            return Response(refusal.content, refusal.status, {**_HEADERS, **refusal.headers}, media_type=JSON)

    for path, handler in (("/ui", page), ("/ui/", page), ("/ui/static/{name}", static), ("/ui/offers", choices)):
        app.add_api_route(path, handler, methods=["GET"], include_in_schema=False)
