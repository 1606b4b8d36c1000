"""Locks of a state folder, which the system releases even if their holder is killed."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pipelines.errors import BusyError, ScheduleError

_INSTANT = 0.5


@contextmanager
def state_lock(state: Path) -> Iterator[None]:
    """Hold the state folder for a run. Raises BusyError if another run holds it."""
    with _held(state / "run.lock") as holder:
        if holder is not None:
            raise BusyError(
                f"{state}: expected no other run; found one in progress (process {holder or '?'}). "
                "Wait for it, or choose another folder with STATE=..."
            )
        yield


@contextmanager
def scheduler_lock(state: Path) -> Iterator[None]:
    """Hold the state folder for a scheduler. Raises ScheduleError if another scheduler holds it."""
    with _held(state / "schedule.lock") as holder:
        if holder is not None:
            raise ScheduleError(
                f"{state}: expected no other scheduler; found one in progress (process {holder or '?'}). To change its "
                "schedule add --save-only, or use --remove; to replace it, end it first"
            )
        yield


def run_in_progress(state: Path) -> bool:
    """Whether a run holds the state folder now."""
    if not (state / "run.lock").is_file():
        return False
    with (state / "run.lock").open("r", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@contextmanager
def _held(path: Path) -> Iterator[str | None]:
    """Lock a file and note this process in it; yield None, or what the present holder noted, which is its process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="ascii") as file:
        if not _locked(file):
            file.seek(0)
            yield file.read().strip()
            return
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield None


def _locked(file: IO[str]) -> bool:
    """Lock a file. ``run_in_progress`` may hold it for an instant, so that this tries again for half a second."""
    deadline = time.monotonic() + _INSTANT
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        else:
            return True
