"""One run at a time over a state folder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.errors import RunError


@contextmanager
def state_lock(state: Path) -> Iterator[None]:
    """Lock the state folder; the system unlocks it even if this process is killed. Raises RunError if it is locked."""
    state.mkdir(parents=True, exist_ok=True)
    path = state / "run.lock"
    with path.open("a+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise RunError(
                f"{state}: expected no other run; found one in progress (process {file.read().strip() or '?'}). "
                "Wait for it, or choose another folder with STATE=..."
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
