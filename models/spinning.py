"""OpenMP threads that give way: an idle one looks for work while cores are free, and sleeps where others need them.

Between two parallel parts of a training step a thread of libgomp, which torch's wheels for Linux bring, spins for some
milliseconds before it sleeps. Where cores are free nothing is faster. Beside another busy process it burns the time
that the thread it waits for needs, and two thirds of the speed are lost (``python -m benchmarks.contention``). libgomp
itself spins for a moment only while a process has more OpenMP threads than CPUs (GCC's manual of libgomp,
"GOMP_SPINCOUNT"). So a thread of ours watches how long threads of this process wait for a core, and adds OpenMP threads
that do nothing while they wait for long. No result depends on it: the same threads compute the same parts.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

import torch

_SECONDS = 0.2
"""Between two looks."""
_CONTENDED = 0.2
"""Seconds that threads waited for a core, per second. A busy process beside two threads makes .3 to 1.1, none up to
.1."""
_CALM = 5
"""Looks in a row at less before threads spin again."""
_TASKS = Path("/proc/self/task")


@contextmanager
def giving_way() -> Iterator[None]:
    """Watch inside the block. Does nothing for one thread, or where the kernel does not say how long threads wait."""
    if torch.get_num_threads() == 1 or not waited():
        yield
        return
    ended = threading.Event()
    watch = threading.Thread(target=_watch, args=(ended,), name="giving_way", daemon=True)
    watch.start()
    try:
        yield
    finally:
        ended.set()
        watch.join()


def waited(tasks: Path = _TASKS) -> float:
    """Seconds that the threads of this process were ready and waited for a core; 0 where nothing says it."""
    total = 0
    for task in os.listdir(tasks) if os.path.isdir(tasks) else ():
        try:
            with open(f"{tasks}/{task}/schedstat", "rb") as file:
                total += int(file.read().split()[1])  # nanoseconds; Linux, Documentation/scheduler/sched-stats.rst
        except (OSError, IndexError, ValueError):
            continue  # a thread that has ended
    return total / 1e9


class SpareThreads:
    """OpenMP threads that do nothing. While there are any, libgomp has more threads than CPUs."""

    def __init__(self) -> None:
        self._release: threading.Event | None = None

    def set(self, present: bool) -> None:
        """Start them, or end them; nothing where it is so already."""
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
    """Whether others need the cores, look by look."""

    def __init__(self, waited: Callable[[], float] = waited, clock: Callable[[], float] = perf_counter) -> None:
        self._waited, self._clock = waited, clock
        self._before, self._then, self._calm = waited(), clock(), _CALM

    def look(self) -> bool:
        """True from a look at which threads had waited for long until ``_CALM`` looks in a row at which they had not.

        A thread that ended takes its seconds with it: the sum may fall, which counts as no waiting.
        """
        before, then = self._before, self._then
        self._before, self._then = self._waited(), self._clock()
        contended = self._before - before > _CONTENDED * (self._then - then)
        self._calm = 0 if contended else self._calm + 1
        return self._calm < _CALM


def _watch(ended: threading.Event) -> None:
    contention, spare = Contention(), SpareThreads()
    while not ended.wait(_SECONDS):
        spare.set(contention.look())
    spare.set(False)


def _hold(ready: threading.Event, release: threading.Event) -> None:
    """A first parallel part gives this thread OpenMP threads of its own; they end with it."""
    torch.ones(1 << 20).add_(1)
    ready.set()
    release.wait()
