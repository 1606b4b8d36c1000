"""Our processes: how they are recognised, and how those end that nobody keeps any more."""

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

MODULE = "serving.server.process"
"""What a worker runs."""
_WAIT_SECONDS = 20.0


def end_leftovers(folder: Path) -> None:
    """End every worker and proxy that was started for the folder, and its keeper. No other process is touched.

    What a killed keeper had started lives on, and holds the endpoint's port.
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
    """The processes (psutil's), recognised by the file of the folder that they were started with."""
    import psutil

    places = [str(folder / place) for place in ("servers/", "proxy/envoy.json", "keeper.conf")]
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        command = process.info["cmdline"] or []
        ours = MODULE in command or "supervisor.supervisord" in command or Path((command or [""])[0]).name == "envoy"
        named = any(part.startswith(place) for part in command for place in places)
        if ours and named and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def await_end(pid: int, seconds: float) -> bool:
    """Whether a process that is not a child of ours ended in time; one that nobody has asked about since, did."""
    import psutil

    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(psutil.NoSuchProcess):
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.02)
                continue
        return True
    return False
