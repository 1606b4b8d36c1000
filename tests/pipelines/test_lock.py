"""One run at a time over a state folder."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.errors import RunError
from pipelines.lock import state_lock

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
