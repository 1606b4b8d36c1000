"""The routes of the page: three files that anybody may read, and what it offers, behind the server's token.

The slates themselves are asked for as any caller asks for them: POST /v1/models/<name>:predict.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from models.spec import Spec
from serving.errors import OverloadedError
from serving.ranking.request import Key
from serving.server.admission import Admission
from serving.server.ui.offers import offers
from serving.settings.settings import Settings

STATIC = Path(__file__).parent / "static"
_TYPES = {"page.css": "text/css", "page.js": "text/javascript"}
_WAITING = 3
"""Who may wait while the offers are read for another."""
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
    """Register the page of the server of those settings with its FastAPI application.

    ``popular``: the items that are offered while nothing was served yet.
    """
    from fastapi.responses import JSONResponse, Response

    def file(name: str, kind: str) -> Response:
        return Response((STATIC / name).read_bytes(), media_type=kind, headers=_HEADERS)

    async def page() -> Response:
        return file("page.html", "text/html")

    async def static(name: str) -> Response:
        if name not in _TYPES:
            return JSONResponse({"error": "expected a file of the page; found none"}, status_code=404)
        return file(name, _TYPES[name])

    # Megabytes of log: one at a time, beside the requests.
    line = Admission(replace(settings.limits, concurrent=1, waiting=_WAITING))

    async def offered() -> Response:
        try:
            async with line.place():
                return JSONResponse(await asyncio.to_thread(offers, spec, settings, popular), headers=_HEADERS)
        except OverloadedError as error:
            after = {"retry-after": str(error.retry_after)}
            return JSONResponse({"error": str(error)}, status_code=429, headers=_HEADERS | after)

    for path, handler in (("/ui", page), ("/ui/", page), ("/ui/static/{name}", static), ("/ui/offers", offered)):
        app.add_api_route(path, handler, methods=["GET"], include_in_schema=False)
