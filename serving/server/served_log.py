"""Served log: the impressions of every slate that was returned, given to a sink for which no request waits.

``models.served`` reads the files of the usual sink, ``serving.server.served_files``.
"""

import logging
import queue
import threading
import time
from typing import NamedTuple, Protocol

from models import clock
from serving.ranking.slate import Slate
from serving.server import metrics
from serving.server.served_lines import impressions

WAITING = 1000
"""Slates that may wait for the sink; further ones are dropped and counted."""
_CLOSE_SECONDS = 2.0
"""How long a process that ends waits for its sink."""
_logger = logging.getLogger("heliograph")


class Sink(Protocol):
    """Where the lines go. One thread calls it, which may block."""

    def write(self, lines: bytes, served: int) -> None:
        """Keep the lines of one slate, served at ``served`` (microseconds UTC), beyond the end of this process.

        An exception means that they are not kept.
        """

    def close(self) -> None:
        """Release what is open."""


class ServedSlate(NamedTuple):
    """A slate as it was returned."""

    time: int
    """When, in microseconds UTC."""
    slate: Slate


class ServedLog:
    """Queues slates for a sink, which a thread serves.

    A process that is killed loses what is in the queue, at most ``waiting`` slates, and the slate being written.
    """

    def __init__(self, sink: Sink, model: str, waiting: int = WAITING) -> None:
        self.dropped = 0
        """Impressions that were not logged: more than ``waiting`` slates were queued, or the sink failed."""
        self._sink, self._model, self._closed = sink, model, False
        self._missing, self._counting = metrics.unlogged(), threading.Lock()
        self._queue: queue.Queue[ServedSlate | None] = queue.Queue(maxsize=waiting)
        self._thread = threading.Thread(target=self._run, name="served-log", daemon=True)
        self._thread.start()

    def write(self, slate: Slate) -> None:
        """Queue a slate; never blocks. After ``close`` it is dropped."""
        if self._closed:
            self._drop(slate)
            return
        try:
            self._queue.put_nowait(ServedSlate(clock.now(), slate))
        except queue.Full:
            self._drop(slate)

    def close(self, seconds: float = _CLOSE_SECONDS) -> None:
        """Write the queued slates and stop, after at most ``seconds``; then the rest is dropped and reported."""
        deadline, self._closed, before = time.monotonic() + seconds, True, self.dropped
        try:
            self._queue.put(None, timeout=seconds)
        except queue.Full:
            pass
        else:
            self._thread.join(max(0.0, deadline - time.monotonic()))
        if self._thread.is_alive():
            self._give_up(seconds, before)

    def _give_up(self, seconds: float, before: int) -> None:
        while True:
            try:
                served = self._queue.get_nowait()
            except queue.Empty:
                break
            if served is not None:
                self._drop(served.slate)
        self._queue.put(None)  # in case the sink continues after all
        _logger.warning(
            "the served log: expected its sink to take the last slates in %g s; at least %d impressions are missing, "
            "and %d from before",
            *(seconds, self.dropped - before, before),
        )

    def _drop(self, slate: Slate) -> None:
        with self._counting:
            self.dropped += len(slate.items)
        self._missing.inc(len(slate.items))

    def _run(self) -> None:
        while (served := self._queue.get()) is not None:
            try:
                self._sink.write(impressions(served.slate, served.time, self._model), served.time)
            except Exception:
                # Neither a full disk nor an invalid slate may stop the log; the counter tells what is missing.
                self._drop(served.slate)
        try:
            self._sink.close()
        except Exception as error:
            _logger.warning("the served log: expected its sink to close; found %r", error)
