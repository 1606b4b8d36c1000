"""Slates of requests that come side by side, scored in one pass: what a pass costs in any case is paid once.

The event loop prepares a pass, a thread computes it: it asks for Python's interpreter at its two ends only, so that the
loop reads and answers other requests meanwhile.
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
    """Scores in a thread of its own whatever waits there when the pass before has ended; nothing waits for company.

    It belongs to one event loop.
    """

    def __init__(self, scorer: Scorer, most: int = 3) -> None:
        """``most``: slates of one pass. More save little, and have the loop and the thread wait for each other."""
        self._scorer, self._most = scorer, most
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="score")
        self._waiting: list[_Waiting] = []
        self._passes: asyncio.Task[None] | None = None
        self._quiet = threading.Event()
        self._quiet.set()

    def await_quiet(self) -> None:
        """For other threads: return once no slate waits or is in a pass, or after a while all the same."""
        self._quiet.wait(_LONGEST_PAUSE)

    async def logits(self, inputs: SlateInputs) -> np.ndarray:
        """(C, T) float32, as ``Scorer.logits``; an error of the scorer is that of the slate which caused it."""
        waiting = _Waiting(inputs, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._passes is None:
            self._quiet.clear()
            self._passes = asyncio.create_task(self._run())
        return await waiting.logits

    def close(self) -> None:
        """End the thread, after the pass that it is in."""
        self._thread.shutdown(cancel_futures=True)

    async def _run(self) -> None:
        """Pass after pass, until nobody waits."""
        try:
            while self._waiting:
                together, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
                together = [one for one in together if not one.logits.done()]  # a request may have been given up
                found = await self._pass([one.inputs for one in together])
                for one, logits in zip(together, found, strict=True):
                    if one.logits.done():
                        continue
                    if isinstance(logits, BaseException):
                        one.logits.set_exception(logits)
                    else:
                        one.logits.set_result(logits)
        finally:
            self._passes = None
            self._quiet.set()
            for one in self._waiting:  # only where the loop or the thread was ended under it
                one.logits.cancel()

    async def _pass(self, slates: Sequence[SlateInputs]) -> list[np.ndarray | Exception]:
        """The logits of each, or why it has none: a slate that cannot be scored does not fail its neighbours."""
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
