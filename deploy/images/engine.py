"""The container engine: buildah and podman with runc, with settings of the project's own."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from deploy.images.errors import ImageError

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = ROOT / "build" / "containers.conf"
# The process limits of a container engine are higher than many machines allow. Host namespaces: containers of one
# machine reach its services at 127.0.0.1, as processes do. crun does not run on hybrid control groups.
_SETTINGS = """\
[containers]
default_ulimits = ["nofile=16000:16000", "nproc=16000:16000"]
netns = "host"
utsns = "host"
ipcns = "host"

[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
_LINES = 20


def environment() -> dict[str, str]:
    """This process's environment with CONTAINERS_CONF, which names the project's settings unless it is set."""
    given = dict(os.environ)
    if "CONTAINERS_CONF" not in given:
        SETTINGS.parent.mkdir(exist_ok=True)
        if not SETTINGS.is_file() or SETTINGS.read_text(encoding="utf-8") != _SETTINGS:
            SETTINGS.write_text(_SETTINGS, encoding="utf-8")
        given["CONTAINERS_CONF"] = str(SETTINGS)
    return given


def output(command: Sequence[str]) -> str:
    """What a command of the engine prints, stripped. Raises ImageError with its last lines if it fails."""
    done = _run(command)
    if done.returncode != 0:
        raise ImageError(f"{_shown(command)}: exit status {done.returncode}:\n{_tail(done.stderr + done.stdout)}")
    return done.stdout.strip()


def succeeds(command: Sequence[str]) -> bool:
    """Whether a command of the engine ends with status 0; what it prints is dropped."""
    return _run(command).returncode == 0


def follow(command: Sequence[str], log: Path) -> None:
    """Run a long command with low priority, its output in a file. Raises ImageError with the last lines if it fails."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as stream:
        done = _run(["nice", "-n", "10", *command], stream)
    if done.returncode != 0:
        text = log.read_text(encoding="utf-8", errors="replace")
        raise ImageError(f"{_shown(command)}: exit status {done.returncode}; all of {log}:\n{_tail(text)}")


def say(text: str) -> None:
    """Print a line of progress."""
    print(text, file=sys.stderr, flush=True)


def _run(command: Sequence[str], stream: object = None) -> "subprocess.CompletedProcess[str]":
    to = {"stdout": stream, "stderr": subprocess.STDOUT} if stream else {"capture_output": True}
    try:
        return subprocess.run(command, env=environment(), cwd=ROOT, text=True, check=False, **to)
    except FileNotFoundError as error:
        raise ImageError(f"{error.filename}: expected this command; found none. Run: .ci/packages containers") from None


def _shown(command: Sequence[str]) -> str:
    """The command without its options, which may hold the credentials of a mirror."""
    return " ".join(command[:2])


def _tail(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-_LINES:])
