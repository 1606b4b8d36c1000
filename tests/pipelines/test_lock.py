"""One run at a time over a state folder."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pipelines.errors import RunError
from pipelines.lock import run_in_progress, state_lock

HOLD = """
import sys
from pathlib import Path
from pipelines.lock import state_lock
with state_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_run_is_refused_and_a_killed_one_leaves_no_lock(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(RunError, match=f"process {holder.pid}"), state_lock(tmp_path):
        pass
    holder.kill()
    holder.wait()
    with state_lock(tmp_path):
        assert (tmp_path / "run.lock").is_file()


def test_a_look_at_the_lock_refuses_no_run(tmp_path: Path) -> None:
    """A free lock is taken while others look at it all the time, and they see a run only where there is one."""
    with state_lock(tmp_path):
        assert run_in_progress(tmp_path)
    seen: list[bool] = []
    ended = threading.Event()

    def look() -> None:
        while not ended.is_set():
            seen.append(run_in_progress(tmp_path))

    lookers = [threading.Thread(target=look) for _ in range(2)]
    for looker in lookers:
        looker.start()
    for _ in range(1000):
        run_in_progress(tmp_path)
    assert not any(seen)
    for _ in range(100):
        with state_lock(tmp_path):
            pass
    ended.set()
    for looker in lookers:
        looker.join()
    assert not run_in_progress(tmp_path)
