"""Steps of a local run as forks of one process, which has the heavy imports done (``pipelines.template``)."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from components.step import say
from pipelines.errors import RunError

MODULES = (
    "prometheus_client",  # before Feast, which would have it keep its values in files
    "kfp.dsl.executor_main",
    *("components.step", "components.specs", "components.lease", "monitoring.ledger", "serving.versions.registry"),
    *("mlflow.store.tracking.sqlalchemy_store", "mlflow.store.model_registry.sqlalchemy_store"),
    *("sqlalchemy.dialects.sqlite", "alembic.command", "feature_repo.applied", "feature_repo.materialise", "feast"),
    *("torch", "scipy.stats", "models.graph.store", "models.training.artifact"),
)
"""What at least two steps of a run import. Each is there to save time only: a step imports what is missing."""
_SHELL, _EXECUTOR = ["sh", "-ec"], "-m kfp.dsl.executor_main"


@contextmanager
def forked_steps(log: Path, modules: Sequence[str] = MODULES) -> Iterator["Template"]:
    """Within this context, kfp.local's subprocess runner forks its steps from one process, which ends with the context.

    What that process prints while it imports ``modules`` is appended to ``log``. HELIOGRAPH_RUNNER has to name this
    process.
    """
    from kfp.local import subprocess_task_handler

    original = subprocess_task_handler.run_local_subprocess
    with Template(log, modules) as template:
        subprocess_task_handler.run_local_subprocess = template.run
        try:
            yield template
        finally:
            subprocess_task_handler.run_local_subprocess = original


class Template:
    """The process that steps are forked from, as its runner sees it; another one once it has ended."""

    def __init__(self, log: Path, modules: Sequence[str]) -> None:
        self._log, self._modules = log, modules
        log.parent.mkdir(parents=True, exist_ok=True)
        self._start()

    def _start(self) -> None:
        from pipelines.resources import KEEP_MEMORY

        self._socket, theirs = socket.socketpair()
        with theirs, self._log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pipelines.template", str(theirs.fileno()), *self._modules],
                stdout=output,
                stderr=output,
                pass_fds=[theirs.fileno()],
                env=_environment(KEEP_MEMORY),  # glibc reads it when a process starts, not at a fork
            )
        self._answers = self._socket.makefile(encoding="utf-8")

    def __enter__(self) -> "Template":
        return self

    def __exit__(self, *_: object) -> None:
        """End the process. After an interrupt, its step has some seconds to end by itself."""
        self._close()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _close(self) -> None:
        self._answers.close()
        self._socket.close()

    def run(self, full_command: list[str], env_vars: dict[str, str] | None = None) -> int:
        """Run a step and print its output line by line; return its exit status, below 0 if a signal ended it.

        Takes the place of kfp.local's ``run_local_subprocess``. Raises RunError if the command is not that of a
        lightweight component without packages to install.
        """
        source, arguments = _component(full_command)
        if self.process.poll() is not None:  # so that a run whose process was killed still writes its report
            self._close()
            self._start()
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "ephemeral_component.py"
            file.write_text(source, encoding="utf-8")
            request = {
                "arguments": ["--component_module_path", str(file), *arguments],
                "environment": _environment(env_vars or {}),
            }
            answer = self._answer(json.dumps(request))
        if not answer:
            say(
                f"the process that steps are forked from: expected an exit status; found that it has ended with "
                f"{self.process.wait()}. {self._log} has what it printed last"
            )
            return 1
        status = int(answer)
        if status < 0:
            say(f"the step: expected an exit status; found that it was ended by {signal.Signals(-status).name}")
        return status

    def _answer(self, request: str) -> str:
        """Ask for a step, print what it prints until the last process that has its output closes it; what is answered.

        Nothing is answered by a process that has ended.
        """
        reading, writing = os.pipe()
        with open(reading, encoding="utf-8", errors="replace") as output:
            try:
                with suppress(OSError):
                    socket.send_fds(self._socket, [b"."], [writing])
                    self._socket.sendall(f"{request}\n".encode())
            finally:
                os.close(writing)
            for line in output:
                print(line, end="")
        print("\n")  # as kfp.local does
        with suppress(OSError):
            return self._answers.readline()
        return ""


def _component(command: list[str]) -> tuple[str, list[str]]:
    """The source of the component and the executor's arguments, from KFP's command of a step."""
    if command[:2] != _SHELL or len(command) < 4 or _EXECUTOR not in command[2]:
        raise RunError(f"a step: expected {_SHELL} and a script with {_EXECUTOR!r}; found {command[:3]}")
    return command[3], command[4:]


def _environment(more: dict[str, str]) -> dict[str, str]:
    return {**os.environ, **more, "_KFP_RUNTIME": "true"}
