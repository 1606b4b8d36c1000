"""The service inside a bento, in BentoML's new style: the v1 protocol at the address that KServe gives it.

The guard stands in front of it as it does before KServe: BentoML chooses a decoder by the content type, and one of them
unpickled (CVE-2024-2912), so that nothing but JSON gets as far as that choice.
"""

import asyncio
import os
from pathlib import Path
from typing import Any

from serving.packages.answer import answer
from serving.packages.contents import read_facts, settings
from serving.server.guard import RequestGuard
from serving.server.loading import load
from serving.settings.limits import limits_of
from serving.settings.token import read_token


def ranking_service(folder: Path) -> Any:
    """The service of the package in ``folder``; it is loaded when it starts. Raises PackageError."""
    import bentoml

    facts = read_facts(folder)

    class Ranking:
        @bentoml.on_startup
        async def start(self) -> None:
            """Into memory; ready once the store has answered."""
            self._answering = load(settings(folder))
            self._starting = asyncio.create_task(self._answering.start())

        @bentoml.on_shutdown
        async def stop(self) -> None:
            """What waits for the served log is written."""
            self._starting.cancel()
            self._answering.close()

        async def __is_ready__(self) -> bool:
            return self._answering.ready

        @bentoml.api(route=f"/v1/models/{facts.name}:predict")
        async def predict(self, document: dict[str, Any], /, ctx: bentoml.Context) -> dict[str, Any]:
            """Rank the candidates of a v1 document."""
            headers = {name.lower(): value for name, value in ctx.request.headers.items()}
            found = await answer(self._answering, lambda: document, headers)
            ctx.response.status_code = found.status
            ctx.response.metadata.update(found.headers)
            return found.document

    service = bentoml.service(Ranking)
    service.add_asgi_middleware(RequestGuard, limits=limits_of(os.environ), token=read_token())
    return service
