"""A server that started before the online store responded."""

import asyncio
from typing import Any, cast

import pytest

from serving.errors import EndpointError, UnavailableError
from serving.ranking.late_reader import LateReader
from serving.ranking.reader import OnlineFeatures
from serving.ranking.request import RankingRequest

REQUEST = RankingRequest(1, (2,), "push", 0)


class Found:
    closed = False

    async def read(self, request: RankingRequest) -> OnlineFeatures:
        return OnlineFeatures.nothing(len(request.items))

    async def close(self) -> None:
        self.closed = True


def test_it_opens_once_the_store_responds_and_only_with_vectors() -> None:
    found, answers = Found(), [UnavailableError("down"), EndpointError("no vectors")]
    opened: list[Any] = []

    def open_reader() -> Any:
        opened.append(answers.pop(0) if answers else found)
        if isinstance(opened[-1], Exception):
            raise opened[-1]
        return opened[-1]

    async def run() -> None:
        reader = LateReader(cast(Any, open_reader))
        await reader.close()  # nothing is open yet
        for message in ("down", "does not hold the version's vectors"):
            with pytest.raises(UnavailableError, match=message):
                await reader.read(REQUEST)
        assert (await reader.read(REQUEST)).member is None
        await reader.read(REQUEST)
        await reader.close()

    asyncio.run(run())
    assert (len(opened), found.closed) == (3, True)


def test_only_one_caller_waits_for_the_store() -> None:
    release = asyncio.Event()

    async def run() -> None:
        loop = asyncio.get_running_loop()

        def open_reader() -> Any:
            asyncio.run_coroutine_threadsafe(release.wait(), loop).result()
            return Found()

        reader = LateReader(cast(Any, open_reader))
        first = asyncio.create_task(reader.read(REQUEST))
        await asyncio.sleep(0)
        with pytest.raises(UnavailableError, match="has not responded yet"):
            await reader.read(REQUEST)
        release.set()
        assert (await first).member is None

    asyncio.run(run())
