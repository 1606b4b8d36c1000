"""``python -m models.training.worker FOLDER``: one process of a training that ``models.training.launch`` started.

It says what happens in files of the folder: process 0 its epochs and log lines in ``PROGRESS``, at the end the summary;
any process that fails its error, before it leaves the group, since its peers then fail as well.
"""

import json
import logging
import os
import sys
import threading
from pathlib import Path
from typing import Any

import models.garbage  # noqa: F401 - first: what follows is imported faster
from models.files import replaced_file
from models.training.distributed import process_group, ranks
from models.training.files import write_json
from models.training.job import Job
from models.training.reported import report

JOB, PROGRESS, SUMMARY = "job.json", "progress.jsonl", "summary.json"
DEVICE = "HELIOGRAPH_WORKER_DEVICE"
"""Environment variable with cpu or cuda."""


def main(folder: Path) -> int:
    """Run this process's part of the job in ``folder``; returns the exit status."""
    threading.Thread(target=_end_with_launcher, daemon=True).start()
    with process_group(os.environ[DEVICE]) as device:
        processes = ranks()
        log = None
        if processes.leads:
            logging.getLogger("models").addHandler(_LogLines(folder / PROGRESS))
            logging.getLogger("models").setLevel(logging.INFO)
            print(f"{processes.size} processes on {device.type}", flush=True)

            def log(metrics: dict[str, float], epoch: int) -> None:
                _append(folder / PROGRESS, {"metrics": metrics, "epoch": epoch})

        try:
            summary = Job.parse((folder / JOB).read_text(encoding="utf-8")).run(device, log)
            if processes.leads:
                with replaced_file(folder / SUMMARY) as draft:
                    write_json(draft, summary)
        except Exception as error:
            _write_error(folder, processes.rank, error)
            raise
    return 0


def error_file(folder: Path, rank: int) -> Path:
    """Where process ``rank`` writes its error (``models.training.reported``)."""
    return folder / f"error_{rank}.json"


def _write_error(folder: Path, rank: int, error: Exception) -> None:
    with replaced_file(error_file(folder, rank)) as draft:
        write_json(draft, report(error))


def _append(file: Path, document: dict[str, Any]) -> None:
    with file.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(document) + "\n")


class _LogLines(logging.Handler):
    """Passes log lines to the launcher, which logs them again."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file

    def emit(self, record: logging.LogRecord) -> None:
        _append(self.file, {"log": record.getMessage(), "level": record.levelno})


def _end_with_launcher() -> None:
    """End this process when the launcher is gone, also by a kill: the system then closes the pipe that is stdin."""
    os.read(0, 1)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
