"""``python -m pipelines.template SOCKET MODULE ...``: the process that the steps of a local run are forked from.

A step in a Python process of its own imports Feast, MLflow, torch and KFP first: seconds of a CPU, in every step of
every run. This process imports the ``MODULE``s once, then forks for each request that it reads from the file descriptor
``SOCKET`` (``pipelines.forked`` writes them), and answers with the exit status. The fork is a step as a process of
``kfp.dsl.executor_main`` would be: its own arguments, environment and output, random numbers of its own, and Python's
usual end.

A fork has the thread that forks, and no other. So a module may be imported here if its import starts no thread and
opens nothing. Two libraries have threads that they themselves stop at a fork and start again: OpenBLAS (of NumPy and
SciPy), and jemalloc (of pyarrow). This process ends with its runner, and a step with this process: both ask the kernel
for it.
"""

import contextlib
import ctypes
import gc
import json
import os
import random
import signal
import socket
import sys
from importlib import import_module
from typing import Any

import models.garbage  # noqa: F401 - first: what follows is imported faster

_END_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of Linux's prctl."""
_NOT_INHERITED = "PROMETHEUS_"
"""Begins the variables with which Feast's import names a folder that goes with this process. Other variables that an
import sets are the steps' too."""


def main(channel: int, modules: list[str]) -> None:
    """Serve the requests of ``channel`` until it is closed. Returns in every step too, after the step's work."""
    _end_with(int(os.environ["HELIOGRAPH_RUNNER"]))
    interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the step, which then has time to end
    before = set(os.environ)
    for module in modules:
        with contextlib.suppress(ImportError):  # the step that needs it says what is missing
            import_module(module)
    of_imports = {name: os.environ[name] for name in set(os.environ) - before if not name.startswith(_NOT_INHERITED)}
    gc.freeze()  # so that no step looks for cycles in what it shares with this process
    with socket.socket(fileno=channel) as connection:
        while (request := _received(connection)) is not None:
            output, step = request
            this = os.getpid()
            if (process := os.fork()) == 0:
                _end_with(this)
                signal.signal(signal.SIGINT, interrupt)
                connection.close()
                os.environ.clear()
                os.environ.update(of_imports | step["environment"])
                _run(output, step["arguments"])
                return
            os.close(output)
            _, status = os.waitpid(process, 0)
            connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())


def _received(connection: socket.socket) -> tuple[int, dict[str, Any]] | None:
    """The next request: a file descriptor, then a line of JSON. None if the runner has closed the connection."""
    _, descriptors, _, _ = socket.recv_fds(connection, 1, 1)
    if not descriptors:
        return None
    with connection.makefile(encoding="utf-8") as lines:
        return descriptors[0], json.loads(lines.readline())


def _run(output: int, arguments: list[str]) -> None:
    """Be the process of one step: KFP's executor with these arguments, everything printed to ``output``."""
    from kfp.dsl.executor_main import executor_main

    for stream in (sys.stdout.fileno(), sys.stderr.fileno()):
        os.dup2(output, stream)
    os.close(output)
    sys.argv = ["kfp.dsl.executor_main", *arguments]
    _draw_anew()
    executor_main()


def _draw_anew() -> None:
    """Seed the global generators of NumPy and torch as a new process would; ``random`` seeds itself in a fork."""
    if generator := sys.modules.get("numpy.random"):
        generator.seed(random.getrandbits(32))
    if torch := sys.modules.get("torch"):
        torch.seed()


def _end_with(parent: int) -> None:
    """Have the kernel end this process when ``parent``, which started it, ends."""
    ctypes.CDLL(None).prctl(_END_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
