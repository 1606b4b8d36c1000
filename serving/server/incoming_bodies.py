"""Bodies on their way in: so many at once, each within its time, and the newest are never the ones without room."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from serving.errors import OverloadedError

_Body = TypeVar("_Body")


class IncomingBodies:
    """Waits for bodies. It belongs to one event loop.

    A sound body arrives in milliseconds. So where one more comes than there is room for, the one that has been on its
    way longest is given up: callers who begin and never end cannot keep others out.
    """

    def __init__(self, most: int, seconds: float) -> None:
        self._most, self._seconds = most, seconds
        self._timers: dict[asyncio.Timeout, None] = {}
        """Of the bodies on their way, the oldest first."""

    async def whole(self, body: Awaitable[_Body]) -> _Body:
        """The body. Raises TimeoutError where it does not come in time, OverloadedError where it was given up."""
        if len(self._timers) >= self._most:
            self._give_up(next(iter(self._timers)))
        timer = asyncio.timeout(self._seconds)
        try:
            async with timer:
                self._timers[timer] = None
                return await body
        except TimeoutError:
            if timer in self._timers:
                raise TimeoutError(f"body: expected all of it within {self._seconds:g} s") from None
            raise OverloadedError(
                f"expected at most {self._most} bodies at once; found more, this the slowest"
            ) from None
        finally:
            self._timers.pop(timer, None)

    def _give_up(self, timer: asyncio.Timeout) -> None:
        del self._timers[timer]
        if not timer.expired():
            timer.reschedule(asyncio.get_running_loop().time())
