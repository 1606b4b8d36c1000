"""Receiving of bodies: a bounded number at once, each within a deadline; the newest always has room."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from serving.errors import OverloadedError, RefusalError

_Body = TypeVar("_Body")


class IncomingBodies:
    """Waits for bodies. It belongs to one event loop.

    A normal body arrives in milliseconds. So when one more comes than there is room for, the one that has taken longest
    is given up: clients who begin bodies and never end them cannot lock others out.
    """

    def __init__(self, most: int, seconds: float) -> None:
        self._most, self._seconds = most, seconds
        self._timers: dict[asyncio.Timeout, None] = {}
        """Of the bodies that are arriving, oldest first."""

    async def read(self, body: Awaitable[_Body]) -> _Body:
        """Await a body. Raises RefusalError (408) after the deadline, OverloadedError if the body was given up."""
        if len(self._timers) >= self._most:
            self._give_up(next(iter(self._timers)))
        timer = asyncio.timeout(self._seconds)
        try:
            async with timer:
                self._timers[timer] = None
                return await body
        except TimeoutError:
            if timer in self._timers:
                raise RefusalError(408, f"body: expected all of it within {self._seconds:g} s") from None
            raise OverloadedError(
                f"expected at most {self._most} bodies at once; found more, and this is the slowest"
            ) from None
        finally:
            self._timers.pop(timer, None)

    def _give_up(self, timer: asyncio.Timeout) -> None:
        del self._timers[timer]
        if not timer.expired():
            timer.reschedule(asyncio.get_running_loop().time())
