"""The line in front of the model: so many requests at work, so many waiting, none of them for long."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from serving.errors import OverloadedError
from serving.settings.limits import Limits


class Admission:
    """Lets requests in, in the order in which they came. It belongs to one event loop."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._places = asyncio.Semaphore(limits.concurrent)
        self._waiting = 0

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Hold a place. Raises OverloadedError where the line is full, or does not move within the limit."""
        await self._wait()
        try:
            yield
        finally:
            self._places.release()

    async def _wait(self) -> None:
        limits = self._limits
        if not self._places.locked():
            await self._places.acquire()  # at once
            return
        if self._waiting >= limits.waiting:
            raise OverloadedError(f"expected at most {limits.waiting} requests in line; found more")
        self._waiting += 1
        try:
            async with asyncio.timeout(limits.wait_seconds):
                await self._places.acquire()
        except TimeoutError:
            raise OverloadedError(f"expected a turn within {limits.wait_seconds:g} s; the line is too long") from None
        finally:
            self._waiting -= 1
