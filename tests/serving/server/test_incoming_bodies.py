"""Receiving of bodies: deadline, and room for the newest."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from serving.errors import OverloadedError, RefusalError
from serving.server.incoming_bodies import IncomingBodies


def run(steps: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await steps()

    asyncio.run(bounded())


async def never() -> bytes:
    await asyncio.Event().wait()
    return b""


async def at_once() -> bytes:
    return b"whole"


def test_a_body_is_returned() -> None:
    async def steps() -> None:
        assert await IncomingBodies(1, 5).read(at_once()) == b"whole"

    run(steps)


def test_a_body_is_given_up_after_the_deadline() -> None:
    async def steps() -> None:
        with pytest.raises(RefusalError, match=r"within 0\.02 s"):
            await IncomingBodies(1, 0.02).read(never())

    run(steps)


def test_the_newest_body_has_room_however_many_never_arrive() -> None:
    async def steps() -> None:
        arriving = IncomingBodies(3, 15)
        stuck = []
        for _ in range(50):
            stuck.append(asyncio.ensure_future(arriving.read(never())))
            await asyncio.sleep(0)
            assert await arriving.read(at_once()) == b"whole"
        found = await asyncio.gather(*stuck[:-2], return_exceptions=True)
        assert {type(outcome) for outcome in found} == {OverloadedError}
        assert not any(task.done() for task in stuck[-2:])

    run(steps)


def test_a_client_that_disconnects_makes_room() -> None:
    async def steps() -> None:
        arriving = IncomingBodies(1, 15)
        gone = asyncio.ensure_future(arriving.read(never()))
        await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        waiting = asyncio.ensure_future(arriving.read(never()))
        await asyncio.sleep(0)
        assert not waiting.done()
        waiting.cancel()

    run(steps)
