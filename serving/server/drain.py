"""From SIGTERM to the end: the server says that it is not ready, and answers what still comes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

_QUIET_SECONDS = 0.3
"""Nobody asks any longer once no request has come, or was at work, for so long."""


class Drain:
    """Counts requests, so that the server ends when they stop; at most ``seconds`` after it began."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._began: float | None = None
        self._at_work = 0
        self._last = 0.0

    @property
    def begun(self) -> bool:
        """Whether the server is about to end."""
        return self._began is not None

    def begin(self) -> None:
        """Requests shall go elsewhere from now on."""
        if self._began is None:
            self._began = self._last = time.monotonic()

    @contextmanager
    def request(self) -> Iterator[None]:
        """Count a request while it is at work."""
        self._at_work += 1
        try:
            yield
        finally:
            self._at_work -= 1
            self._last = time.monotonic()

    def over(self) -> bool:
        """Whether the server may close its ports."""
        if self._began is None:
            return False
        now = time.monotonic()
        quiet = self._at_work == 0 and now - self._last > _QUIET_SECONDS
        return quiet or now - self._began > self._seconds
