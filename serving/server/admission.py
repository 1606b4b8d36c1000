"""Admission control: a bounded number of requests is processed, a bounded number waits, none of them for long."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from serving.errors import OverloadedError
from serving.settings.limits import Limits


class Admission:
    """A first-in-first-out queue in front of ``limits.concurrent`` requests. It belongs to one event loop."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._free = asyncio.Semaphore(limits.concurrent)
        self._waiting = 0

    @asynccontextmanager
    async def admit(self) -> AsyncIterator[None]:
        """Process one request inside the block. Raises OverloadedError if the queue is full or the wait too long."""
        await self._wait()
        try:
            yield
        finally:
            self._free.release()

    async def _wait(self) -> None:
        limits = self._limits
        if not self._free.locked():
            await self._free.acquire()  # returns at once
            return
        if self._waiting >= limits.waiting:
            raise OverloadedError(f"expected at most {limits.waiting} waiting requests; found more")
        self._waiting += 1
        try:
            async with asyncio.timeout(limits.wait_seconds):
                await self._free.acquire()
        except TimeoutError:
            raise OverloadedError(
                f"expected to wait at most {limits.wait_seconds:g} s in the queue; it is too long"
            ) from None
        finally:
            self._waiting -= 1
