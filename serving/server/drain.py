"""Draining: after SIGTERM the server reports that it is not ready, and serves the requests that still arrive."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

_QUIET_SECONDS = 0.3
"""The server may stop once there was no request for this long."""


class Drain:
    """Counts requests, so that the server stops when they cease, at most ``seconds`` after the drain began."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._began: float | None = None
        self._in_flight = 0
        self._last_end = 0.0

    @property
    def begun(self) -> bool:
        """Whether the server is about to stop."""
        return self._began is not None

    def begin(self) -> None:
        """Start the drain; a second call changes nothing."""
        if self._began is None:
            self._began = self._last_end = time.monotonic()

    @contextmanager
    def request(self) -> Iterator[None]:
        """Count a request as in flight inside the block."""
        self._in_flight += 1
        try:
            yield
        finally:
            self._in_flight -= 1
            self._last_end = time.monotonic()

    def finished(self) -> bool:
        """Whether the server may close its ports."""
        if self._began is None:
            return False
        now = time.monotonic()
        quiet = self._in_flight == 0 and now - self._last_end > _QUIET_SECONDS
        return quiet or now - self._began > self._seconds
