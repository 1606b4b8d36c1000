"""``torchrun ... -m models.training.node ADDRESS DEVICE``: a process of a job whose machines share only object storage.

The folder at the address has ``JOB``, whose places are relative to it, the graph and, for a refit, the judged model.
Each machine copies them to its temporary folder. Process 0 writes the model there and, last, ``SUMMARY``, and only then
removes the checkpoint; a process that fails with an error that the same inputs would raise again writes ``ERROR``.
"""

import json
import logging
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import models.garbage  # noqa: F401 - first: what follows is imported faster
from models.storage import download, join, read_bytes, upload, write_bytes
from models.training.artifact import MANIFEST
from models.training.devices import best_device
from models.training.distributed import Ranks, process_group, ranks
from models.training.errors import ProcessError
from models.training.job import Job
from models.training.reported import OWN, report

JOB, SUMMARY, ERROR = "job.json", "summary.json", "error.json"


def main(address: str, kind: str) -> int:
    """Run this process's part of the job on ``kind``, cpu or cuda; returns the exit status.

    That is 1 after printing an error that says what to do.
    """
    if kind == "cuda" and best_device() != kind:
        return _ended(
            address,
            ProcessError(
                "device: expected a GPU for each process; found none: submit with an image that has torch's CUDA build "
                "(HELIOGRAPH_TRAIN_IMAGE) and a --node-selector of nodes with GPUs, or with --accelerator-count 0"
            ),
        )
    with process_group(kind) as device:
        processes = ranks()
        if processes.leads:
            logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
            print(f"{processes.size} process(es) on {device.type}, {processes.machines} machine(s)", flush=True)
        try:
            job, local = _fetched(address, processes)

            def store(summary: dict[str, Any]) -> None:
                upload(local.out, join(address, str(job.out)), last=MANIFEST)
                write_bytes(join(address, SUMMARY), json.dumps(summary).encode())

            local.run(device, _print if processes.leads else None, store)
        except OWN as error:
            return _ended(address, error)
    return 0


def _ended(address: str, error: Exception) -> int:
    write_bytes(join(address, ERROR), json.dumps(report(error)).encode())
    print(error, file=sys.stderr, flush=True)
    return 1


def _fetched(address: str, processes: Ranks) -> tuple[Job, Job]:
    """The job as it is at the address, and with the places of its copies here."""
    scratch = Path(tempfile.gettempdir()) / "training"
    job = Job.parse(read_bytes(join(address, JOB)).decode())
    inputs = [job.graph, *([] if job.judged is None else [job.judged])]
    for place in inputs if processes.local_rank == 0 else ():
        if not (scratch / place).exists():  # there after a restart of the container
            download(join(address, str(place)), scratch / place)
    processes.wait()
    judged = None if job.judged is None else scratch / job.judged
    return job, replace(job, graph=scratch / job.graph, out=scratch / job.out, judged=judged)


def _print(metrics: dict[str, float], epoch: int) -> None:
    print(f"epoch {epoch}: " + ", ".join(f"{name} {value:.4g}" for name, value in metrics.items()), flush=True)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
