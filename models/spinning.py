"""Limits the busy-waiting of idle OpenMP threads while other processes need the cores.

Between two parallel regions of a training step, a thread of libgomp (part of torch's Linux wheels) spins for some
milliseconds before it sleeps. That is fastest on free cores. Next to another busy process it takes CPU time from the
thread it waits for, and two thirds of the speed are lost (``python -m benchmarks.contention``). libgomp spins only
briefly while a process has more OpenMP threads than CPUs (libgomp manual, "GOMP_SPINCOUNT"). So a monitor thread
measures how long the threads of this process wait for a core, and while that is long it adds idle OpenMP threads.
Results do not depend on it: the same threads compute the same parts.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

import torch

_SECONDS = 0.2
"""Time between two measurements."""
_CONTENDED = 0.2
"""Seconds that threads waited for a core, per second: .3 to 1.1 for two threads next to a busy process, up to .1
without one."""
_CALM = 5
"""Measurements below the threshold in a row before threads spin again."""
_TASKS = Path("/proc/self/task")


@contextmanager
def limited_spinning() -> Iterator[None]:
    """Limit spinning inside the block.

    Does nothing with one OpenMP thread, or if the kernel does not report how long threads wait.
    """
    if torch.get_num_threads() == 1 or not core_wait_seconds():
        yield
        return
    ended = threading.Event()
    monitor = threading.Thread(target=_monitor, args=(ended,), name="limited_spinning", daemon=True)
    monitor.start()
    try:
        yield
    finally:
        ended.set()
        monitor.join()


def core_wait_seconds(tasks: Path = _TASKS) -> float:
    """Seconds that the threads of this process have waited for a core while ready to run; 0 if unknown."""
    total = 0
    for task in os.listdir(tasks) if os.path.isdir(tasks) else ():
        try:
            with open(f"{tasks}/{task}/schedstat", "rb") as file:
                total += int(file.read().split()[1])  # nanoseconds; Linux, Documentation/scheduler/sched-stats.rst
        except (OSError, IndexError, ValueError):
            continue  # a thread that has ended
    return total / 1e9


class SpareThreads:
    """Idle OpenMP threads: while they exist, libgomp has more threads than CPUs and spins only briefly."""

    def __init__(self) -> None:
        self._release: threading.Event | None = None

    def set(self, present: bool) -> None:
        """Start the threads or end them; does nothing if they are in that state already."""
        if present and self._release is None:
            self._release, ready = threading.Event(), threading.Event()
            self._thread = threading.Thread(target=_hold, args=(ready, self._release), name="spare", daemon=True)
            self._thread.start()
            ready.wait()
        elif not present and self._release is not None:
            self._release.set()
            self._thread.join()
            self._release = None


class Contention:
    """Whether other processes need the cores, measured periodically."""

    def __init__(
        self, wait_seconds: Callable[[], float] = core_wait_seconds, clock: Callable[[], float] = perf_counter
    ) -> None:
        self._wait_seconds, self._clock = wait_seconds, clock
        self._before, self._then, self._calm = wait_seconds(), clock(), _CALM

    def measure(self) -> bool:
        """True from a measurement of long waits until ``_CALM`` measurements in a row have found none.

        The seconds of a thread that has ended are gone: the sum may fall, which counts as no waiting.
        """
        before, then = self._before, self._then
        self._before, self._then = self._wait_seconds(), self._clock()
        contended = self._before - before > _CONTENDED * (self._then - then)
        self._calm = 0 if contended else self._calm + 1
        return self._calm < _CALM


def _monitor(ended: threading.Event) -> None:
    contention, spare = Contention(), SpareThreads()
    while not ended.wait(_SECONDS):
        spare.set(contention.measure())
    spare.set(False)


def _hold(ready: threading.Event, release: threading.Event) -> None:
    """The first parallel region gives this thread its own OpenMP threads, which end with it."""
    torch.ones(1 << 20).add_(1)
    ready.set()
    release.wait()
