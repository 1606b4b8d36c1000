"""Admission control: the queue, its length and its wait."""

import asyncio

import pytest

from serving.errors import OverloadedError
from serving.server.admission import Admission
from serving.settings.limits import Limits


async def outcomes(admission: Admission, callers: int, release: asyncio.Event) -> list[str]:
    """The outcomes of so many callers that run until the event."""

    async def one() -> str:
        try:
            async with admission.admit():
                await release.wait()
                return "in"
        except OverloadedError as error:
            release.set()
            return str(error)

    return await asyncio.gather(*(one() for _ in range(callers)))


def test_beyond_the_queue_requests_are_refused_at_once() -> None:
    async def run() -> list[str]:
        admission = Admission(Limits(concurrent=2, waiting=3, wait_seconds=30))
        return await outcomes(admission, 8, asyncio.Event())

    found = asyncio.run(run())
    assert found.count("in") == 5
    assert [text for text in found if "waiting requests" in text] == [text for text in found if text != "in"]


def test_a_queue_that_does_not_move_is_left_in_time() -> None:
    async def run() -> list[str]:
        admission = Admission(Limits(concurrent=1, waiting=9, wait_seconds=0.02))
        return await outcomes(admission, 2, asyncio.Event())

    assert sorted(asyncio.run(run()))[0] == "expected to wait at most 0.02 s in the queue; it is too long"


def test_a_request_makes_room_however_it_ends() -> None:
    async def run() -> None:
        admission = Admission(Limits(concurrent=1, waiting=1, wait_seconds=0.01))
        for _ in range(3):
            with pytest.raises(RuntimeError, match="model"):
                async with admission.admit():
                    raise RuntimeError("model")
        async with admission.admit():
            for _ in range(3):
                with pytest.raises(OverloadedError, match="in the queue"):
                    await admission.admit().__aenter__()
        async with asyncio.timeout(5), admission.admit():
            pass

    asyncio.run(run())
