"""The service inside a bento, in BentoML's new style: the v1 protocol at the path it has in KServe.

The request guard and the fast path run in front of BentoML, as they do in front of KServe. BentoML chooses a decoder by
content type, and one of them unpickled (CVE-2024-2912): a prediction never reaches that choice.
"""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from serving.errors import UnavailableError
from serving.packages.contents import read_facts, settings
from serving.server.fast_path import FastPath, v1_handler
from serving.server.guard import RequestGuard
from serving.server.loading import load
from serving.server.ranking_runtime import RankingRuntime
from serving.settings.limits import limits_of
from serving.settings.token import read_token


class _Process:
    """The runtime of a worker process, between its start and its stop."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._runtime: RankingRuntime | None = None

    @property
    def ready(self) -> bool:
        return self._runtime is not None and self._runtime.ready

    def start(self) -> None:
        """Load the runtime; it is ready once the store has responded."""
        self._runtime = load(settings(self._folder))
        self._starting = asyncio.create_task(self._runtime.start())

    def stop(self) -> None:
        """Stop the threads; the served log writes what is queued."""
        if self._runtime is not None:
            self._starting.cancel()
            self._runtime.close()

    async def predict(self, document: Any, headers: Mapping[str, str]) -> Any:
        """``serving.server.fast_path.Predict``. Raises UnavailableError before the start."""
        if self._runtime is None:
            raise UnavailableError("expected a request after the start of the server; found one before")
        return await self._runtime.predict(document, headers)


def ranking_service(folder: Path) -> Any:
    """The BentoML service of the package in ``folder``, which is loaded at start. Raises PackageError."""
    import bentoml

    path = f"/v1/models/{read_facts(folder).name}:predict"
    process = _Process(folder)

    class Ranking:
        @bentoml.on_startup
        async def start(self) -> None:
            """Load the model."""
            process.start()

        @bentoml.on_shutdown
        async def stop(self) -> None:
            """Close the served log."""
            process.stop()

        async def __is_ready__(self) -> bool:
            return process.ready

        @bentoml.api(route=path)
        async def predict(self, document: dict[str, Any], /, ctx: bentoml.Context) -> dict[str, Any]:
            """Rank the candidates of a v1 document. Only declares the path: the fast path handles its requests."""
            return dict(await process.predict(document, ctx.request.headers))

    service = bentoml.service(Ranking)
    service.add_asgi_middleware(RequestGuard, limits=limits_of(os.environ), token=read_token())
    service.add_asgi_middleware(FastPath, handlers={path: v1_handler(process.predict)})
    return service
