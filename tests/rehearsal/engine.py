"""Containers of this machine: what each may see and use, as arguments of podman."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deploy.images.engine import environment

CPUS = min(1.5, os.cpu_count() or 1)
"""The most that one container gets, so that services and the clients keep a part of a small machine."""


class EngineError(RuntimeError):
    """Raised where the container engine does not start, or lacks an image; says what to install."""


@dataclass(frozen=True)
class Mount:
    """A file or folder of this machine at a path in a container."""

    source: Path
    target: str
    read_only: bool = True


@dataclass(frozen=True)
class Container:
    """What runs in a container, and all that it sees."""

    name: str
    image: str
    command: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    mounts: Sequence[Mount] = ()
    user: int | None = None
    """None: the image's."""
    group: int | None = None
    memory: int | None = None
    """Bytes."""
    cpus: float | None = None


def arguments(container: Container) -> list[str]:
    """The arguments of ``podman run``; values of the environment are not in them, only names."""
    given = [
        "--rm",
        "--replace",  # one of the same name that a rehearsal left when it was killed
        "--no-healthcheck",
        "--image-volume",
        "ignore",
        "--name",
        container.name,
        "--network",
        "host",
        "--pull",
        "never",
    ]
    given += ["--read-only", "--read-only-tmpfs=false", "--cap-drop", "all", "--security-opt", "no-new-privileges"]
    if container.user is not None:
        given += ["--user", f"{container.user}:{container.user if container.group is None else container.group}"]
    if container.memory is not None:
        given += ["--memory", str(container.memory), "--memory-swap", str(container.memory)]
    given += ["--cpus", f"{min(container.cpus or CPUS, CPUS):g}"]
    for name in container.environment:
        given += ["--env", name]
    for one in container.mounts:
        given += ["--volume", f"{one.source}:{one.target}:{'ro' if one.read_only else 'rw'}"]
    return [*given, container.image, *container.command]


class Engine:
    """Starts containers and removes them again."""

    def __init__(self) -> None:
        self._started: dict[str, subprocess.Popen[bytes]] = {}
        self._closed = False

    def check(self, *images: str) -> None:
        """Start a container of each image. Raises EngineError where that fails."""
        if shutil.which("podman") is None:
            raise EngineError("podman: expected it on the path; found nothing. Run: .ci/packages containers")
        for image in images:
            container = Container("heliograph-check", image, ["true"])
            done = self._podman("run", *arguments(container))
            if done.returncode:
                raise EngineError(
                    f"{image}: expected a container that starts; found exit status {done.returncode}: "
                    f"{done.stderr.strip()[-600:]}. Build the images first: make images"
                )

    def start(self, container: Container, log: Path) -> "subprocess.Popen[bytes]":
        """Start a container whose output goes to ``log``; the process ends with the container's exit status."""
        if self._closed:
            raise EngineError(f"{container.name}: expected a rehearsal that goes on; found that it ends")
        with log.open("ab") as output:
            self._started[container.name] = subprocess.Popen(
                ["podman", "run", *arguments(container)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**environment(), **container.environment},
            )
        return self._started[container.name]

    def close(self) -> None:
        """Remove every container that still runs; a task that is retried meanwhile gets none."""
        self._closed = True
        for name, process in list(self._started.items()):
            if process.poll() is None:
                self.remove(name)
                process.wait()

    def run(self, container: Container, log: Path, seconds: float) -> int:
        """Run a container to its end; return its exit status, 124 where it took longer than ``seconds``."""
        process = self.start(container, log)
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            return 124
        finally:
            if process.returncode is None:
                self.remove(container.name)
                process.wait()

    def kill(self, name: str) -> bool:
        """Send SIGKILL to a container's process; whether there was one."""
        return self._podman("kill", "--signal", "KILL", name).returncode == 0

    def remove(self, name: str) -> None:
        """End a container as Kubernetes does: SIGTERM, then SIGKILL after a grace time. Nothing where there is none."""
        self._podman("rm", "--force", "--ignore", "--time", "10", name)

    def _podman(self, *given: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(["podman", *given], capture_output=True, text=True, check=False, env=environment())
