"""Served log: one JSON line per impression, written by a separate thread so that no request waits for a disk.

``models.served`` reads it.
"""

import os
import queue
import threading
from pathlib import Path
from typing import IO, NamedTuple

from models import clock
from models.time_units import moment
from serving.ranking.slate import Slate
from serving.server import metrics
from serving.server.served_lines import impressions
from serving.settings.private import open_private, private_folder


class ServedSlate(NamedTuple):
    """A slate as it was returned."""

    time: int
    """When, in microseconds UTC."""
    number: int
    """Index of the slate in its request."""
    slate: Slate


class ServedLog:
    """Files ``<day>.jsonl`` in a folder; a full one is continued in ``<day>.<number>.jsonl``; the oldest are removed.

    Folder and files are readable by their owner only.
    """

    def __init__(
        self, folder: Path, model: str, file_bytes: int = 64 << 20, files: int = 30, waiting: int = 1000
    ) -> None:
        self.dropped = 0
        """Impressions that were not logged: more than ``waiting`` slates were queued, or the disk failed."""
        self._folder, self._model, self._file_bytes, self._files = folder, model, file_bytes, files
        self._queue: queue.Queue[ServedSlate | None] = queue.Queue(maxsize=waiting)
        self._stream: IO[bytes] | None = None
        self._day = ""
        self._thread = threading.Thread(target=self._run, name="served-log", daemon=True)
        private_folder(folder)  # what a member was shown is personal data
        for file in folder.glob("*.jsonl"):  # an older release left them readable by others
            file.chmod(0o600)
        self._thread.start()

    def write(self, slate: Slate, number: int = 0) -> None:
        """Queue a slate, the ``number``-th of its request; never blocks."""
        try:
            self._queue.put_nowait(ServedSlate(clock.now(), number, slate))
        except queue.Full:
            self._drop(slate)

    def close(self) -> None:
        """Write the queued slates and stop."""
        self._queue.put(None)
        self._thread.join()

    def _drop(self, slate: Slate) -> None:
        self.dropped += len(slate.items)
        metrics.unlogged().inc(len(slate.items))

    def _run(self) -> None:
        while (served := self._queue.get()) is not None:
            try:
                stream = self._open(moment(served.time).date().isoformat())
                stream.write(impressions(served.slate, served.time, served.number, self._model))
                if self._queue.empty():
                    stream.flush()
            except Exception:
                # Neither a full disk nor an invalid slate may stop the log; the counter tells what is missing.
                self._drop(served.slate)
        if self._stream:
            self._stream.close()

    def _open(self, day: str) -> IO[bytes]:
        """The day's file, or the next one when it is full."""
        stream = self._stream
        if stream is not None and self._day == day and stream.tell() < self._file_bytes:
            return stream
        if stream is not None:
            self._stream = None  # before closing, whose flush may fail on a full disk
            stream.close()
        number, path = 0, self._folder / f"{day}.jsonl"
        while path.is_file() and path.stat().st_size >= self._file_bytes:
            number += 1
            path = self._folder / f"{day}.{number:04d}.jsonl"
        self._stream, self._day = _open_for_append(path), day
        for old in sorted(self._folder.glob("*.jsonl"), key=lambda file: file.stat().st_mtime)[: -self._files]:
            old.unlink(missing_ok=True)
        return self._stream


def _open_for_append(path: Path) -> IO[bytes]:
    """Open a file for appending; a partial line of a killed server is ended first."""
    stream = open_private(path, os.O_APPEND)
    if stream.tell():
        with path.open("rb") as written:
            written.seek(-1, os.SEEK_END)
            if written.read() != b"\n":
                stream.write(b"\n")
    return stream
