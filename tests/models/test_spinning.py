"""Idle OpenMP threads spin while cores are free and sleep while others need them."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

from models import spinning
from models.spinning import Contention, SpareThreads, core_wait_seconds, limited_spinning

pytestmark = pytest.mark.serial

IDLE = """
import json, threading, time, torch
from models.spinning import SpareThreads
numbers, spare, found = torch.ones(1 << 20), SpareThreads(), []
for present in (False, True, True, False):
    spare.set(present)
    before = time.process_time()
    for _ in range(10):
        numbers.add_(1)
        threading.Event().wait(0.02)
    found.append(time.process_time() - before)
print(json.dumps(found))
"""


def test_idle_threads_use_no_time_while_there_are_spare_ones() -> None:
    """Seconds of CPU in ten pauses of 20 ms, of a fresh process that has as many OpenMP threads as CPUs."""
    environment = os.environ | {"OMP_NUM_THREADS": str(len(os.sched_getaffinity(0)))}
    done = subprocess.run([sys.executable, "-c", IDLE], env=environment, capture_output=True, check=True)
    without, spare, still, again = json.loads(done.stdout)
    assert max(spare, still) < min(without, again) / 2


def test_long_waits_are_contention_until_they_have_been_absent_for_a_while() -> None:
    seconds = iter([0.0, 0.01, 0.05, 0.06, *[0.061] * 20])
    clock = iter(0.1 * look for look in range(24))
    contention = Contention(lambda: next(seconds), lambda: next(clock))
    assert [contention.measure() for _ in range(10)] == [False, True, *[True] * 4, *[False] * 4]


def test_a_thread_that_ends_is_no_contention() -> None:
    seconds, clock = iter([9.0, 0.5, 0.5]), iter([0.0, 0.1, 0.2])
    contention = Contention(lambda: next(seconds), lambda: next(clock))
    assert not contention.measure()
    assert not contention.measure()


def test_the_kernel_says_how_long_threads_waited(tmp_path: Path) -> None:
    for name, text in (("1", "5 2000000000 3\n"), ("2", "7 500000000 1\n"), ("3", "nonsense"), ("4", "")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "schedstat").write_text(text)
    (tmp_path / "5").mkdir()
    assert core_wait_seconds(tmp_path) == 2.5
    assert core_wait_seconds(tmp_path / "none") == 0
    assert core_wait_seconds() > 0


@pytest.mark.parametrize(("threads", "seconds", "watched"), [(2, 1.0, True), (1, 1.0, False), (2, 0.0, False)])
def test_it_is_watched_where_it_can_matter_and_only_inside_of_the_block(
    monkeypatch: pytest.MonkeyPatch, threads: int, seconds: float, watched: bool
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    monkeypatch.setattr(spinning, "core_wait_seconds", lambda: seconds)
    names: set[str] = set()

    @limited_spinning()
    def failing() -> None:
        names.update(thread.name for thread in threading.enumerate())
        raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        failing()
    assert watched == ("limited_spinning" in names)
    assert "limited_spinning" not in {thread.name for thread in threading.enumerate()}


def test_spare_threads_end() -> None:
    spare = SpareThreads()
    for present in (True, True, False, False, True, False):
        spare.set(present)
        assert present == ("spare" in {thread.name for thread in threading.enumerate()})
