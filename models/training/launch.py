"""Start one training as several processes of this machine, follow them, and end them together.

A process per GPU, connected by NCCL; on CPUs, for trials, by gloo (``models.training.distributed``). Their meeting
point is a TCP store of the launcher, as under torchrun, but on loopback alone.
"""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.distributed import TCPStore

from models.cpus import usable_cpus
from models.training.devices import best_device
from models.training.errors import ProcessError
from models.training.job import Job, Log
from models.training.reported import own_error
from models.training.worker import DEVICE, JOB, PROGRESS, SUMMARY, error_file

CPU_PROCESSES = "HELIOGRAPH_CPU_PROCESSES"
"""Environment variable: train with this many processes on CPUs, whatever number of accelerators was asked for."""
_POLL_SECONDS = 0.1
_GRACE_SECONDS = 5.0
_AGAIN = "run the step again: it goes on at its checkpoint"
_LOOPBACK = "127.0.0.1"
_log = logging.getLogger(__name__)


def run_on_accelerators(job: Job, accelerator_count: str, log: Log | None = None) -> dict[str, Any]:
    """Run a job on that many GPUs of this machine, a process each; returns its summary.

    "0": one process, on a GPU where there is one. Raises ProcessError for a count that cannot be used, and what
    ``launch`` raises.
    """
    processes, device = processes_for(accelerator_count)
    return launch(job, processes, device, log)


def processes_for(accelerator_count: str) -> tuple[int, str | None]:
    """The number of processes, and their device; None = as it is found. Raises ProcessError."""
    trial = os.environ.get(CPU_PROCESSES)
    if trial is not None:
        return max(_whole(CPU_PROCESSES, trial), 1), "cpu"
    count, found = _whole("accelerator_count", accelerator_count), torch.cuda.device_count()
    if count > found:
        raise ProcessError(
            f"accelerator_count: expected at most {found}, the GPUs that this step sees; found {count}: use an image "
            "with torch's CUDA build (HELIOGRAPH_TRAIN_IMAGE) and a node pool whose nodes have that many, or lower it"
        )
    return max(count, 1), "cuda" if count else None


def launch(job: Job, processes: int, device: str | None = None, log: Log | None = None) -> dict[str, Any]:
    """Run a job in ``processes`` new processes, in this one if it is 1; returns its summary.

    ``device``: cpu or cuda; None = CUDA if available. ``log`` is called here. A process that fails ends all of them.
    Raises the error of the first that failed if it is one of a training's own, else a ProcessError that names it.
    """
    if processes < 1:
        raise ProcessError(f"processes: expected a whole number, 1 or more; found {processes}: leave it out for one")
    if processes == 1:
        return job.run(device, log)
    kind = device or best_device()
    if kind == "cuda" and processes > torch.cuda.device_count():
        raise ProcessError(
            f"processes: expected at most {torch.cuda.device_count()}, one per GPU; found {processes}: lower it"
        )
    with tempfile.TemporaryDirectory(prefix="training-") as name:
        folder = Path(name)
        (folder / JOB).write_text(job.text(), encoding="utf-8")
        with _started(folder, processes, kind) as workers:
            progress = _Progress(folder / PROGRESS, log)
            while any(worker.poll() is None for worker in workers):
                progress.relay()
                _raise_failure(folder, workers)
                time.sleep(_POLL_SECONDS)
            _raise_failure(folder, workers)
            progress.relay()
        summary: dict[str, Any] = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
        return summary


@contextmanager
def _started(folder: Path, processes: int, device: str) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Start the processes; end those that are left. Each ends when its stdin, a pipe of this process, is closed."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server((_LOOPBACK, 0)))
        port = listener.getsockname()[1]
        # The store closes the descriptor itself.
        descriptor = os.dup(listener.fileno())
        store = TCPStore(_LOOPBACK, port, None, True, wait_for_workers=False, master_listen_fd=descriptor)
        shared = {
            **os.environ,
            "MASTER_ADDR": _LOOPBACK,
            "MASTER_PORT": str(port),
            "TORCHELASTIC_USE_AGENT_STORE": "True",  # as torchrun: no process of the training is the store
            "WORLD_SIZE": str(processes),
            "LOCAL_WORLD_SIZE": str(processes),
            DEVICE: device,
            "OMP_NUM_THREADS": str(_threads(processes)),
        }
        shared.setdefault("GLOO_SOCKET_IFNAME", "lo")
        workers: list[subprocess.Popen[bytes]] = []
        try:
            for rank in range(processes):
                own = {"RANK": str(rank), "LOCAL_RANK": str(rank)}
                command = [sys.executable, "-m", "models.training.worker", str(folder)]
                workers.append(subprocess.Popen(command, env=shared | own, stdin=subprocess.PIPE))
            yield workers
        finally:
            _end(workers)
            del store


def _end(workers: list[subprocess.Popen[bytes]]) -> None:
    for worker in workers:
        worker.terminate()
    end = time.monotonic() + _GRACE_SECONDS
    for worker in workers:
        try:
            worker.wait(max(end - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()
        if worker.stdin is not None:
            worker.stdin.close()


def _threads(processes: int) -> int:
    """OpenMP threads of each process: its share of the CPUs, or fewer where OMP_NUM_THREADS says so."""
    share, given = max(1, usable_cpus() // processes), os.environ.get("OMP_NUM_THREADS", "")
    return min(share, max(1, int(given))) if given.isdecimal() else share


def _whole(name: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise ProcessError(f"{name}: expected a whole number, 0 or more; found {text!r:.40}: give the number of GPUs")
    return int(text)


class _Progress:
    """What process 0 has said, passed on."""

    def __init__(self, file: Path, log: Log | None) -> None:
        self._file, self._log, self._read = file, log, 0

    def relay(self) -> None:
        """Pass on the lines that are complete and new."""
        if not self._file.exists():
            return
        with self._file.open("rb") as stream:
            stream.seek(self._read)
            lines = stream.read().splitlines(keepends=True)
        for line in lines:
            if not line.endswith(b"\n"):
                return
            self._read += len(line)
            found = json.loads(line)
            if "log" in found:
                _log.log(found["level"], "%s", found["log"])
            elif self._log is not None:
                self._log(found["metrics"], found["epoch"])


def _raise_failure(folder: Path, workers: list[subprocess.Popen[bytes]]) -> None:
    """Raise the error of the process that failed first, if one did.

    A process that was killed leaves no error, but makes its peers fail: it comes before theirs.
    """
    ended = {rank: status for rank, worker in enumerate(workers) if (status := worker.poll())}
    told = {rank: error_file(folder, rank) for rank in range(len(workers)) if error_file(folder, rank).exists()}
    for rank in sorted(ended.keys() - told.keys()):
        how = f"exit status {ended[rank]}" if ended[rank] > 0 else signal.Signals(-ended[rank]).name
        raise ProcessError(
            f"process {rank} of {len(workers)}: expected it to train to the end; found that it ended with {how}: if "
            f"the log has no reason, memory has run out. Give the step more of it (--resources), then {_AGAIN}"
        )
    if told:
        errors = {rank: json.loads(file.read_text(encoding="utf-8")) for rank, file in told.items()}
        rank = min(errors, key=lambda one: errors[one]["time"])
        raise _error(rank, len(workers), errors[rank])


def _error(rank: int, processes: int, told: dict[str, Any]) -> Exception:
    own = own_error(told)
    if own is not None:
        return own
    message = " ".join(told["message"].split())[:400]
    if told["system"]:
        return ProcessError(f"process {rank} of {processes}: {message}; then {_AGAIN}")
    remedy = f"see its trace in the log, then {_AGAIN}"
    if told["kind"] == "OutOfMemoryError":
        remedy = "raise training.accumulate, or lower training.batch_size"
    return ProcessError(
        f"process {rank} of {processes}: expected it to train to the end; found {told['kind']}: {message}: {remedy}"
    )
