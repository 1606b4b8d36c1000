"""Processes of an endpoint: find and end those whose supervisor was killed."""

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

MODULE = "serving.server.process"
"""The module that a worker runs."""
_WAIT_SECONDS = 20.0


def end_leftovers(folder: Path) -> None:
    """End the workers, the proxy and the supervisor that were started for the folder.

    The children of a killed supervisor keep running and hold the endpoint's port.
    """
    import psutil  # type: ignore[import-untyped]

    found = leftovers(folder)
    for process in found:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    for process in found:
        if not await_end(process.pid, _WAIT_SECONDS):
            with suppress(psutil.NoSuchProcess):
                process.kill()


def leftovers(folder: Path) -> list[Any]:
    """Processes (psutil's) whose command line names one of our programs and a file of the folder."""
    import psutil

    places = [str(folder / place) for place in ("servers/", "proxy/envoy.json", "supervisor.conf")]
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        command = process.info["cmdline"] or []
        ours = MODULE in command or "supervisor.supervisord" in command or Path((command or [""])[0]).name == "envoy"
        named = any(part.startswith(place) for part in command for place in places)
        if ours and named and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def await_end(pid: int, seconds: float) -> bool:
    """Wait until a process ends, for at most ``seconds``; return whether it did. A zombie counts as ended."""
    import psutil

    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(psutil.NoSuchProcess):
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.02)
                continue
        return True
    return False
