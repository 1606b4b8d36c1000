"""Schedules whose runs are small processes that a test holds by a file, and schedulers over them."""

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pipelines.entries import Entry
from pipelines.scheduler import Scheduler

RUN = """
import os, sys, time
from pathlib import Path
from components.step import end_with_runner
name, folder = sys.argv[1], Path(sys.argv[2])
end_with_runner()
def note(text):
    with (folder / "log").open("a") as log:
        print(name, text, os.getpid(), file=log, flush=True)
note("start")
while not (folder / "go").exists():
    time.sleep(0.01)
note("end")
"""
"""A run: notes its start, waits for the file ``go``, notes its end."""


def entry(name: str, cron: str = "0 3 * * *", ago: timedelta = timedelta(days=3), **settings: Any) -> Entry:
    """An entry that was added a while ago."""
    given = {"timezone": "UTC", "spec": "/spec.yaml", "data": None, "canary_percent": 0, **settings}
    return Entry(name=name, pipeline="training", cron=cron, since=datetime.now(UTC) - ago, **given)


def command(one: Entry, state: Path) -> list[str]:
    return [sys.executable, "-c", RUN, one.name, str(state.parent)]


def wait(condition: Callable[[], Any], seconds: float = 60) -> Any:
    """Wait until a condition holds; return what it returned."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
    return found


def noted(folder: Path, what: str | None = None) -> list[str]:
    """What the runs noted, without their process ids: ``name start``, ``name end``."""
    path = folder / "log"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [line.rpartition(" ")[0] for line in lines if what is None or what in line]


@dataclass
class Running:
    """A scheduler in a thread."""

    state: Path
    options: dict[str, Any] = field(default_factory=dict)

    def __enter__(self) -> "Running":
        settings = {"command": command, "reload_seconds": 0.05, "retry_seconds": 0.05, **self.options}
        self.scheduler = Scheduler(self.state, **settings)
        self.thread = threading.Thread(target=self.scheduler.run)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.scheduler.stop()
        (self.state.parent / "go").touch()  # so that a failed test ends
        self.thread.join(60)
        assert not self.thread.is_alive()
