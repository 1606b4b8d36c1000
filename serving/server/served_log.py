"""Writing the served log: one JSON line per impression, from a thread of its own, so that no answer waits for a disk.

Read it with ``models.served``.
"""

import os
import queue
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, NamedTuple

from serving.ranking.slate import Slate
from serving.server import metrics
from serving.server.served_lines import impressions
from serving.settings.private import open_private, private_folder


class Served(NamedTuple):
    """A slate as it was answered."""

    moment: int
    """Microseconds UTC."""
    number: int
    """Its place among the slates of one request."""
    slate: Slate


class ServedLog:
    """Files ``<day>.jsonl`` in a folder; a full one goes on in ``<day>.<number>.jsonl``; the oldest are removed.

    Folder and files are their owner's alone.
    """

    def __init__(
        self, folder: Path, model: str, file_bytes: int = 64 << 20, files: int = 30, waiting: int = 1000
    ) -> None:
        self.dropped = 0
        """Impressions that were not logged: more than ``waiting`` slates waited for the disk, or it failed."""
        self._folder, self._model, self._file_bytes, self._files = folder, model, file_bytes, files
        self._queue: queue.Queue[Served | None] = queue.Queue(maxsize=waiting)
        self._stream: IO[bytes] | None = None
        self._day = ""
        self._thread = threading.Thread(target=self._run, name="served-log", daemon=True)
        private_folder(folder)  # who was shown what is personal
        for left in folder.glob("*.jsonl"):  # of a release that left them open
            left.chmod(0o600)
        self._thread.start()

    def write(self, slate: Slate, number: int = 0) -> None:
        """Hand over a slate, the request's ``number``-th; never waits."""
        try:
            self._queue.put_nowait(Served(time.time_ns() // 1000, number, slate))
        except queue.Full:
            self._drop(slate)

    def close(self) -> None:
        """Write what waits and stop."""
        self._queue.put(None)
        self._thread.join()

    def _drop(self, slate: Slate) -> None:
        self.dropped += len(slate.items)
        metrics.unlogged().inc(len(slate.items))

    def _run(self) -> None:
        while (served := self._queue.get()) is not None:
            try:
                stream = self._open(datetime.fromtimestamp(served.moment / 1_000_000, tz=UTC).date().isoformat())
                stream.write(impressions(served.slate, served.moment, served.number, self._model))
                if self._queue.empty():
                    stream.flush()
            except Exception:
                # Neither a full disk nor an odd slate may stop the log; the count says what is missing.
                self._drop(served.slate)
        if self._stream:
            self._stream.close()

    def _open(self, day: str) -> IO[bytes]:
        """The day's file, or its next one where it is full."""
        stream = self._stream
        if stream is not None and self._day == day and stream.tell() < self._file_bytes:
            return stream
        if stream is not None:
            self._stream = None  # first: what waits in it may find the disk full
            stream.close()
        number, path = 0, self._folder / f"{day}.jsonl"
        while path.is_file() and path.stat().st_size >= self._file_bytes:
            number += 1
            path = self._folder / f"{day}.{number:04d}.jsonl"
        self._stream, self._day = _continue(path), day
        for old in sorted(self._folder.glob("*.jsonl"), key=lambda file: file.stat().st_mtime)[: -self._files]:
            old.unlink(missing_ok=True)
        return self._stream


def _continue(path: Path) -> IO[bytes]:
    """Append to a file; a line that a killed server left torn is ended first."""
    stream = open_private(path, os.O_APPEND)
    if stream.tell():
        with path.open("rb") as written:
            written.seek(-1, os.SEEK_END)
            if written.read() != b"\n":
                stream.write(b"\n")
    return stream
