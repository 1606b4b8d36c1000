"""Micro-batching: slates of concurrent requests are scored in one pass of the model.

The event loop prepares a batch and a thread computes it. The thread holds Python's interpreter lock only at the start
and the end, so the event loop serves other requests meanwhile.
"""

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from serving.ranking.scorer import Scorer, SlateInputs

_LONGEST_PAUSE = 0.05
"""Seconds."""


class _Waiting(NamedTuple):
    inputs: SlateInputs
    logits: asyncio.Future[np.ndarray]


class Batching:
    """Scores waiting slates in a thread as soon as the previous batch ends; no slate waits for others to arrive.

    An instance belongs to one event loop.
    """

    def __init__(self, scorer: Scorer, most: int = 3) -> None:
        """``most``: slates per batch. Larger batches save little and delay the event loop."""
        self._scorer, self._most = scorer, most
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="score")
        self._waiting: list[_Waiting] = []
        self._passes: asyncio.Task[None] | None = None
        self._quiet = threading.Event()
        self._quiet.set()

    def await_quiet(self) -> None:
        """Block another thread until no slate is waiting or being scored, for at most 50 ms."""
        self._quiet.wait(_LONGEST_PAUSE)

    async def logits(self, inputs: SlateInputs) -> np.ndarray:
        """Score one slate: (C, T) float32, as ``Scorer.logits``. Raises what the scorer raises for this slate."""
        waiting = _Waiting(inputs, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._passes is None:
            self._quiet.clear()
            self._passes = asyncio.create_task(self._run())
        return await waiting.logits

    def close(self) -> None:
        """End the thread after its current batch."""
        self._thread.shutdown(cancel_futures=True)

    async def _run(self) -> None:
        """Score batches until no slate is waiting."""
        batch: list[_Waiting] = []
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
                batch = [one for one in batch if not one.logits.done()]  # its request may have been canceled
                found = await self._pass([one.inputs for one in batch])
                for one, logits in zip(batch, found, strict=True):
                    if one.logits.done():
                        continue
                    if isinstance(logits, BaseException):
                        one.logits.set_exception(logits)
                    else:
                        one.logits.set_result(logits)
        finally:
            self._passes = None
            self._quiet.set()
            for one in batch + self._waiting:  # open only where the event loop or the thread was stopped
                one.logits.cancel()

    async def _pass(self, slates: Sequence[SlateInputs]) -> list[np.ndarray | Exception]:
        """Return each slate's logits or error: a slate that cannot be scored does not fail the others of its batch."""
        if not slates:
            return []
        loop = asyncio.get_running_loop()
        try:
            arguments = self._scorer.arguments(slates)
            return [*await loop.run_in_executor(self._thread, self._scorer.decode, arguments, slates)]
        except Exception as error:
            if len(slates) == 1:
                return [error]
            return [found for slate in slates for found in await self._pass([slate])]
