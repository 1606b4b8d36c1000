"""A runtime's requests, and its store, which can be switched off."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from serving.errors import UnavailableError
from serving.ranking.reader import OnlineFeatures, OnlineReader
from serving.ranking.request import RankingRequest
from serving.server.ranking_runtime import RankingRuntime
from tests.serving.world import World

Steps = Callable[[RankingRuntime, "SwitchableReader"], Awaitable[None]]


class SwitchableReader:
    """The world's store, which can be switched to be down or silent."""

    def __init__(self, reader: OnlineReader) -> None:
        self._reader = reader
        self.mode = "responds"
        self.reads = 0
        self.requested = asyncio.Event()

    async def read(self, request: RankingRequest) -> OnlineFeatures:
        self.reads += 1
        self.requested.set()
        if self.mode == "silent":
            await asyncio.Future()
        if self.mode == "down":
            raise UnavailableError("down") from ConnectionRefusedError("nobody")
        return await self._reader.read(request)

    async def close(self) -> None:
        await self._reader.close()


def document(world: World, *items: int) -> dict[str, Any]:
    return {"instances": [{"member": world.keys("member")[0], "items": list(items), "context": {"surface": "push"}}]}
