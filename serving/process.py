"""A process of its own that outlives its starter, recognised by what it was started with, never by its number alone."""

import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

MODULE = "serving.runtime"


class Started(NamedTuple):
    """A process that was started, and the end of the pipe on which it tells that it has loaded."""

    process: subprocess.Popen[bytes]
    pipe: int


def start(settings: Path, log: Path) -> Started:
    """Start the server of these settings in a session of its own, output appended to ``log``."""
    reading, writing = os.pipe()
    try:
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", MODULE, str(settings.resolve()), str(writing)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=(writing,),
            )
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    return Started(process, reading)


def await_loaded(started: Started, seconds: float) -> bool:
    """Whether the process told that it has loaded before it ended and before the deadline."""
    ready, _, _ = select.select([started.pipe], [], [], seconds)
    try:
        return bool(ready) and os.read(started.pipe, 16) != b""
    finally:
        os.close(started.pipe)


def is_server(pid: int, settings: Path) -> bool:
    """Whether the process of that number is alive and is the server of these settings (numbers are used again)."""
    return pid in servers(settings, [pid])


def servers(settings: Path, among: list[int] | None = None) -> list[int]:
    """The living processes that serve these settings; ``among``: the numbers to look at, None = all processes."""
    import psutil  # type: ignore[import-untyped]

    found = []
    for pid in psutil.pids() if among is None else among:
        try:
            process = psutil.Process(pid)
            command, status = process.cmdline(), process.status()
        except psutil.Error:
            continue
        if status != psutil.STATUS_ZOMBIE and MODULE in command and str(settings.resolve()) in command:
            found.append(pid)
    return found


def stop(pid: int, settings: Path, seconds: float = 20.0) -> None:
    """End a server: SIGTERM, and SIGKILL after ``seconds``. Any other process is left alone."""
    for number, wait in ((signal.SIGTERM, seconds), (signal.SIGKILL, seconds)):
        if not is_server(pid, settings):
            return
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + wait
        while is_server(pid, settings) and time.monotonic() < deadline:
            time.sleep(0.02)
