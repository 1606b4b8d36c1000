"""Which processes belong to an endpoint, and how they are ended."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest

from serving.deployment import processes
from serving.deployment.processes import MODULE, await_end, end_leftovers, leftovers


class Listed:
    """A process as psutil lists it."""

    def __init__(self, *command: str, status: str = psutil.STATUS_RUNNING, known: bool = True) -> None:
        self.info: dict[str, Any] = {"cmdline": list(command) if known else None, "status": status}


def test_our_programs_with_a_file_of_the_folder_are_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, envoy = str(tmp_path / "servers" / "1.json"), str(tmp_path / "proxy" / "envoy.json")
    supervisor = ["python", "-m", "supervisor.supervisord", "-c", str(tmp_path / "supervisor.conf")]
    ours = [
        Listed("python", "-m", MODULE, settings),
        Listed(*supervisor),
        Listed("/bin/envoy", "-c", envoy, "--concurrency", "1"),
    ]
    others = [
        Listed("python", "-m", MODULE, "/elsewhere/servers/1.json"),
        Listed("python", "-c", "input()", settings),
        Listed("/bin/envoy", "-c", "/elsewhere/proxy/envoy.json"),
        Listed("less", envoy),
        Listed("python", envoy, "envoy"),
        Listed("python", "-m", MODULE, settings, status=psutil.STATUS_ZOMBIE),
        Listed(),
        Listed(known=False),
    ]
    monkeypatch.setattr(psutil, "process_iter", lambda names: [*others, *ours, *others])
    assert leftovers(tmp_path) == ours


class Living:
    """A process that records its signals; a stubborn one ignores the first, and a gone one has just ended."""

    def __init__(self, pid: int, calls: list[tuple[str, int]], kind: str) -> None:
        self.pid, self._calls, self.kind = pid, calls, kind

    def terminate(self) -> None:
        self._calls.append(("terminate", self.pid))
        if self.kind == "gone":
            raise psutil.NoSuchProcess(self.pid)

    def kill(self) -> None:
        self._calls.append(("kill", self.pid))
        raise psutil.NoSuchProcess(self.pid)


def test_all_are_asked_to_end_and_those_that_do_not_are_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, int]] = []
    found = [Living(place, calls, kind) for place, kind in enumerate(("gone", "stubborn", "polite"))]
    monkeypatch.setattr(processes, "leftovers", lambda folder: found)
    monkeypatch.setattr(processes, "await_end", lambda pid, seconds: seconds > 1 and found[pid].kind != "stubborn")
    end_leftovers(tmp_path)
    assert calls == [("terminate", 0), ("terminate", 1), ("terminate", 2), ("kill", 1)]


def test_an_end_is_awaited_for_so_many_seconds() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        begun = time.monotonic()
        assert not await_end(process.pid, 0.2)
        assert time.monotonic() - begun >= 0.2
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.close()
        assert await_end(process.pid, 20)  # it is a zombie: nobody has waited for it
        assert psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE
    assert await_end(process.pid, 20)  # it is gone
