"""Runs the pipelines of a state folder at their fire times, one at a time, each in a process of its own.

APScheduler says when; its jobs are in memory. What is due follows from ``schedule.json`` alone (``pipelines.entries``):
a fire time that has passed and for which no run came to an end. So a scheduler that was killed repeats the run that was
interrupted, or makes up for those that it missed, once.
"""

import logging
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from models import clock
from pipelines.cron import Cron, last_fire
from pipelines.entries import Entry, Last, correct, put, read_entries, record
from pipelines.errors import BUSY
from pipelines.local import ROOT
from pipelines.lock import run_in_progress, scheduler_lock

RELOAD_SECONDS, RETRY_SECONDS, END_SECONDS, END_OF_GROUP = 5.0, 10.0, 20.0, 2.0
LONGEST_REASON = 300


def local_command(entry: Entry, state: Path) -> list[str]:
    """The command that runs an entry once."""
    data = ["--data", entry.data] if entry.data else []
    canary = ["--canary-percent", str(entry.canary_percent)] if entry.canary_percent else []
    given = ["--pipeline", entry.pipeline, "--spec", entry.spec, "--state", str(state.resolve()), *data, *canary]
    return [sys.executable, "-m", "pipelines", "local", *given]


def trigger_of(entry: Entry) -> Any:
    """APScheduler's trigger of an entry."""
    return Cron.parse(entry.cron).trigger(entry.timezone)


def moment_of(entry: Entry, when: datetime) -> str:
    """A time in the entry's time zone."""
    return f"{when.astimezone(ZoneInfo(entry.timezone)):%Y-%m-%d %H:%M} {entry.timezone}"


class Scheduler:
    """The scheduler of one state folder. ``command`` and ``trigger`` say how and when an entry runs."""

    def __init__(
        self,
        state: Path,
        command: Callable[[Entry, Path], list[str]] = local_command,
        trigger: Callable[[Entry], Any] = trigger_of,
        reload_seconds: float = RELOAD_SECONDS,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._state, self._command, self._trigger = state, command, trigger
        self._reload_seconds, self._retry_seconds = reload_seconds, retry_seconds
        self._ends: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._guard = threading.Lock()
        self._child: subprocess.Popen[str] | None = None
        self._known: dict[str, dict[str, Any]] = {}

    def stop(self) -> None:
        """Make ``run`` return. The run in progress is ended; the next scheduler repeats it. For signal handlers too."""
        self._ends.put(None)

    def run(self, entry: Entry | None = None) -> None:
        """Add ``entry``, then run the schedule until ``stop``; it picks up changes within seconds.

        Raises ScheduleError if another scheduler holds the state folder or the schedule cannot be read.
        """
        from apscheduler.executors.pool import ThreadPoolExecutor
        from apscheduler.schedulers.background import BackgroundScheduler

        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        with scheduler_lock(self._state):
            if entry is not None:
                put(self._state, entry)
            # Two instances: what fires as a run ends is queued behind it. One worker: never two runs at once.
            defaults = {"coalesce": True, "misfire_grace_time": None, "max_instances": 2}
            jobs = BackgroundScheduler(
                executors={"default": ThreadPoolExecutor(1)}, job_defaults=defaults, timezone=UTC, daemon=True
            )
            self._reload(jobs)
            jobs.start()
            try:
                while not self._stopped.is_set():
                    try:
                        self._ends.get(timeout=self._reload_seconds)
                        self._stopped.set()
                    except queue.Empty:
                        self._reload(jobs)
            finally:
                self._stopped.set()
                self._end_child()
                jobs.shutdown(wait=True)
                say("stopped")

    def _reload(self, jobs: Any) -> None:
        """Pick up the schedule's changes. A new job fires at once, to make up for what was missed."""
        entries = read_entries(self._state)
        for name in self._known.keys() - entries.keys():
            jobs.remove_job(name)
            say(f"{name}: removed from the schedule")
        for name, entry in entries.items():
            if self._known.get(name) != entry.settings:
                now = datetime.now(UTC)
                jobs.add_job(
                    self._turn, self._trigger(entry), [name], id=name, replace_existing=True, next_run_time=now
                )
                say(f"{name}: {entry.pipeline} at {entry.cron!r} {entry.timezone}")
        self._known = {name: entry.settings for name, entry in entries.items()}

    def _turn(self, name: str) -> None:
        """Run an entry once if it is due; wait where another run holds the state folder.

        What comes due meanwhile has a turn of its own, behind those of other entries.
        """
        waited: datetime | None = None
        ran = False
        while not self._stopped.is_set() and (entry := read_entries(self._state).get(name)) is not None:
            entry = self._without_future(entry)
            trigger = self._trigger(entry)
            due = last_fire(trigger, entry.done, datetime.now(UTC))
            if due is None:
                say(f"{name}: next run at {moment_of(entry, trigger.get_next_fire_time(None, datetime.now(UTC)))}")
                return
            if ran:
                return
            if not run_in_progress(self._state) and self._run(entry, due):
                ran = True
                continue
            if due != waited and not self._stopped.is_set():
                gives_way = f" (that of {moment_of(entry, waited)} is skipped)" if waited else ""
                say(
                    f"{name}: the run of {moment_of(entry, due)} waits until the run that holds {self._state} ends, "
                    f"or its own next fire time comes{gives_way}"
                )
                waited = due
            self._stopped.wait(self._retry_seconds)

    def _without_future(self, entry: Entry) -> Entry:
        """The entry, without times that a clock that was ahead has left: nothing would be due until then."""
        now = datetime.now(UTC)
        if entry.done <= now + clock.TOLERANCE:
            return entry
        ahead = moment_of(entry, entry.done)
        say(f"{entry.name}: its last run is noted for {ahead}, ahead of the clock; it counts as now")
        last = None if entry.last is None else replace(entry.last, fire=min(entry.last.fire, now))
        entry = replace(entry, since=min(entry.since, now), last=last)
        correct(self._state, entry)
        return entry

    def _run(self, entry: Entry, due: datetime) -> bool:
        """Run an entry for a fire time; False if it was ended by ``stop``, or found the state folder in use."""
        say(f"{entry.name}: the run of {moment_of(entry, due)} starts")
        began, environment = time.monotonic(), dict(os.environ)
        environment["HELIOGRAPH_RUNNER"] = str(os.getpid())  # a run ends with its scheduler, even if that is killed
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), environment.get("PYTHONPATH")]))
        with self._guard:
            if self._stopped.is_set():
                return False
            command = self._command(entry, self._state)
            child = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, errors="replace")
            self._child = child
        last_line = ""
        assert child.stderr is not None
        for line in child.stderr:
            print(line, end="", file=sys.stderr, flush=True)
            last_line = line.strip() or last_line
        status = child.wait()
        if status < 0:  # the signal may be for the scheduler too, and be on its way
            self._stopped.wait(END_OF_GROUP)
        with self._guard:
            self._child = None
        if self._stopped.is_set() or status == BUSY:
            return False
        reason = None if status == 0 else (last_line.removeprefix("error: ") or f"exit status {status}")
        record(self._state, entry.name, Last(due, datetime.now(UTC), reason and reason[:LONGEST_REASON]))
        outcome = "ended" if reason is None else f"FAILED (exit status {status})"
        say(f"{entry.name}: the run of {moment_of(entry, due)} {outcome} after {time.monotonic() - began:.0f} s")
        return True

    def _end_child(self) -> None:
        with self._guard:
            child = self._child
        if child is None:
            return
        say("the run in progress is ended; the next start repeats it")
        child.terminate()
        try:
            child.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()


def say(text: str) -> None:
    """Print a line of the scheduler."""
    print(f"schedule: {text}", flush=True)
