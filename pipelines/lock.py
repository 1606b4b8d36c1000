"""Locks of a state folder, which the system releases even if their holder is killed."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.errors import BusyError, ScheduleError


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
    with _held(state / "run.lock", note=False) as holder:
        return holder is not None


@contextmanager
def _held(path: Path, note: bool = True) -> Iterator[str | None]:
    """Lock a file; yield None, or what the present holder noted, which is its process. ``note``: note this process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+" if note else "r", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            yield file.read().strip()
            return
        if note:
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
        yield None
