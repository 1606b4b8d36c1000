"""Runs a compiled pipeline: every task in a container of its own, with its own inputs and outputs and nothing else."""

import json
import os
import stat
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.rehearsal.artifacts import (
    OUTPUT_FILE,
    OUTPUT_PARAMETERS,
    ArtifactError,
    ObjectStorage,
    executor_input,
    local_path,
    outputs,
)
from tests.rehearsal.compiled import Compiled, CompiledError, Pod, environment, pod
from tests.rehearsal.dag import FAILED, SUCCEEDED, Outcome, Task, Walker
from tests.rehearsal.engine import Container, Engine, Mount

ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
_LONGEST = 600.0
"""Seconds that a task may take where the pipeline sets no limit."""


@dataclass(frozen=True)
class Ended:
    """One attempt of a task."""

    task: str
    seconds: float
    state: str
    reason: str = ""
    log: Path | None = None

    def printed(self) -> str:
        """What the attempt printed; nothing where its pod did not start."""
        there = self.log is not None and self.log.is_file()
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log is not None and there else ""


@dataclass(frozen=True)
class World:
    """What the pods of every run share: the engine, object storage, secrets and the cluster's API."""

    engine: Engine
    storage: ObjectStorage
    folder: Path
    """Everything that a run writes on this machine is below it."""
    secrets: dict[str, Mapping[str, str]]
    """By name."""
    accounts: Callable[[str], Path | None] = lambda name: None
    """The files of a service account: token, ca.crt and namespace."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """What Kubernetes sets in every pod, such as the address of its API."""
    namespace: str = "heliograph"


class Run:
    """One run of a compiled pipeline. ``root``: address of its artifacts; ``account``: its service account."""

    def __init__(self, world: World, compiled: Compiled, number: str, root: str, account: str = "") -> None:
        self._world, self._compiled, self.number, self._account = world, compiled, number, account
        self.watch: Callable[[Ended], None] = lambda ended: None
        """Called when an attempt has ended."""
        self.started: Callable[[str, int, str], None] = lambda task, attempt, container: None
        """Called just before an attempt's container starts."""
        self._root = f"{root.rstrip('/')}/{compiled.name}/{number}"
        self.ended: list[Ended] = []
        """Every attempt, in order."""
        self.outcomes: dict[str, Outcome] = {}
        """By task: its last outcome."""

    def run(self, parameters: Mapping[str, Any]) -> str:
        """Run every task; return the run's state."""
        return Walker(self._compiled, self._attempt, self.number).run(parameters).state

    def _attempt(self, task: Task, attempt: int) -> Outcome:
        started, log = time.monotonic(), self._world.folder / "logs" / self.number / f"{task.name}-{attempt}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        reason = ""
        try:
            importer = self._compiled.executor(task.label).get("importer")
            outcome = _imported(task, importer) if importer is not None else self._in_container(task, attempt, log)
        except (ArtifactError, CompiledError) as error:
            outcome, reason = Outcome(FAILED), str(error)
        if outcome.state == FAILED:
            reason = reason or _reason(log)
        self.ended.append(Ended(task.name, time.monotonic() - started, outcome.state, reason, log))
        self.watch(self.ended[-1])
        self.outcomes[task.name] = outcome
        return outcome

    def _in_container(self, task: Task, attempt: int, log: Path) -> Outcome:
        described = pod(self._compiled, task.label, task.parameters)
        name = f"heliograph-{self.number[:8]}-{task.name}-{attempt}"
        place, address = self._world.folder / "pods" / name, f"{self._root}/{task.name}/{attempt}"
        message = executor_input(task, address)
        writable = volumes(described, place)
        mounts = [
            *self._inputs(task, place / "inputs"),
            *writable,
            Mount(_open(place / "out"), local_path(address), False),
        ]
        mounts += [Mount(folder, ACCOUNT) for folder in [self._world.accounts(self._account)] if folder is not None]
        for path in (OUTPUT_FILE, f"{OUTPUT_PARAMETERS}/x"):
            _open(_on_this_machine(Path(path).parent, writable))
        text = json.dumps(message)
        of_pod = {
            "metadata.labels['pipeline/runid']": self.number,
            "metadata.name": name,
            "metadata.namespace": self._world.namespace,
        }
        container = Container(
            name=name,
            image=described.image,
            command=[part.replace("{{$}}", text) for part in described.command],
            environment={**self._world.variables, **environment(described, self._world.secrets, of_pod)},
            mounts=mounts,
            user=described.user,
            group=described.group,
            memory=described.memory,
            cpus=described.cpus,
        )
        self.started(task.name, attempt, name)
        status = self._world.engine.run(container, log, described.seconds or _LONGEST)
        if status:
            with log.open("a", encoding="utf-8") as file:
                file.write(f"\nexit status {status}\n")
            return Outcome(FAILED)
        return self._stored(task, message, place / "out", writable)

    def _inputs(self, task: Task, folder: Path) -> list[Mount]:
        """Fetch the task's input artifacts; each is mounted read-only, and no other."""
        mounts = []
        addresses = {one["uri"] for found in task.artifacts.values() for one in found}
        for number, address in enumerate(sorted(addresses)):
            place = folder / str(number)
            self._world.storage.fetch(address, place)
            _readable(place)
            mounts.append(Mount(place, local_path(address)))
        return mounts

    def _stored(self, task: Task, message: dict[str, Any], made: Path, writable: list[Mount]) -> Outcome:
        """Store the task's output artifacts; read its output parameters."""
        written = _on_this_machine(Path(OUTPUT_FILE), writable)
        document = json.loads(written.read_text(encoding="utf-8")) if written.is_file() else {}
        files = {}
        for name in message["outputs"]["parameters"]:
            file = _on_this_machine(Path(OUTPUT_PARAMETERS, name), writable)
            if file.is_file():
                files[name] = file.read_text(encoding="utf-8")
        parameters, artifacts = outputs(task, message, document, files)
        for name, (one,) in artifacts.items():
            if (made / name).exists():
                self._world.storage.store(made / name, one["uri"])
        return Outcome(SUCCEEDED, parameters, artifacts)


def volumes(described: Pod, folder: Path) -> list[Mount]:
    """An empty folder of this machine for each writable path of the pod."""
    return [
        Mount(_open(folder / "volumes" / str(number)), path.rstrip("/"), False)
        for number, path in enumerate(described.volumes)
    ]


def _on_this_machine(path: Path, writable: list[Mount]) -> Path:
    """Where a file that the container writes is here. Raises ArtifactError where it is on the read-only root."""
    for one in sorted(writable, key=lambda mount: -len(mount.target)):
        if path.is_relative_to(one.target):
            return one.source / path.relative_to(one.target)
    raise ArtifactError(f"launcher: expected a writable mount above {path}; found a read-only root file system")


def _imported(task: Task, importer: Mapping[str, Any]) -> Outcome:
    """The artifact of ``dsl.importer``."""
    given = importer["artifactUri"]
    address = task.parameters[given["runtimeParameter"]] if "runtimeParameter" in given else given["constant"]
    artifact = {"name": "artifact", "type": importer["typeSchema"], "uri": str(address)}
    return Outcome(SUCCEEDED, {}, {"artifact": [{**artifact, "metadata": importer.get("metadata", {})}]})


def _open(folder: Path) -> Path:
    """A folder that every user may write to, as an emptyDir is."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o777)
    return folder


def _readable(place: Path) -> None:
    for one in [place, *(place.rglob("*") if place.is_dir() else [])]:
        one.chmod(one.stat().st_mode | stat.S_IRGRP | stat.S_IROTH | (stat.S_IXOTH if one.is_dir() else 0))


def _reason(log: Path) -> str:
    """The last lines of a task's log."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else []
    return os.linesep.join(line for line in lines if line.strip())[-1500:]
