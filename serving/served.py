"""Writing the served log: one JSON line per ranked slate, from a thread of its own, so that no answer waits for a disk.

Read it with ``models.served``.
"""

import json
import os
import queue
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from serving.slate import Slate


class ServedLog:
    """Files ``<day>.jsonl`` in a folder; a full one goes on in ``<day>.<number>.jsonl``; the oldest are removed."""

    def __init__(
        self, folder: Path, model: str, file_bytes: int = 64 << 20, files: int = 30, waiting: int = 1000
    ) -> None:
        self.dropped = 0
        """Slates that were not logged, since more than ``waiting`` waited for the disk."""
        self._folder, self._model, self._file_bytes, self._files = folder, model, file_bytes, files
        self._queue: queue.Queue[dict[str, Any] | None] = queue.Queue(maxsize=waiting)
        self._stream: IO[str] | None = None
        self._thread = threading.Thread(target=self._run, name="served-log", daemon=True)
        folder.mkdir(parents=True, exist_ok=True)
        self._thread.start()

    def write(self, slate: Slate) -> None:
        """Hand over a slate; never waits."""
        try:
            self._queue.put_nowait(served_line(slate, self._model))
        except queue.Full:
            self.dropped += 1

    def close(self) -> None:
        """Write what waits and stop."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (record := self._queue.get()) is not None:
            try:
                stream = self._open(datetime.fromtimestamp(record["served"] / 1_000_000, tz=UTC).date().isoformat())
                stream.write(json.dumps(record, separators=(",", ":")) + "\n")
                if self._queue.empty():
                    stream.flush()
            except OSError:
                # A full disk must not stop the serving; the count says what is missing.
                self.dropped += 1
        if self._stream:
            self._stream.close()

    def _open(self, day: str) -> IO[str]:
        """The day's file, or its next one where it is full."""
        stream = self._stream
        if stream is not None and Path(stream.name).name.startswith(day) and stream.tell() < self._file_bytes:
            return stream
        if stream is not None:
            stream.close()
        number, path = 0, self._folder / f"{day}.jsonl"
        while path.is_file() and path.stat().st_size >= self._file_bytes:
            number += 1
            path = self._folder / f"{day}.{number:04d}.jsonl"
        self._stream = _continue(path)
        for old in sorted(self._folder.glob("*.jsonl"), key=lambda file: file.stat().st_mtime)[: -self._files]:
            old.unlink(missing_ok=True)
        return self._stream


def served_line(slate: Slate, model: str) -> dict[str, Any]:
    """A slate as one JSON object; items, cold, probabilities and features are columns of equal length."""
    tasks = list(slate.items[0].probabilities)
    features = list(slate.items[0].features)
    return {
        "served": time.time_ns() // 1000,
        "time": slate.time,
        "member": slate.member,
        "member_cold": slate.member_cold,
        "surface": slate.surface,
        "model": model,
        "model_version": slate.model_version,
        "items": [ranked.item for ranked in slate.items],
        "cold": [ranked.cold for ranked in slate.items],
        "probabilities": {task: [ranked.probabilities[task] for ranked in slate.items] for task in tasks},
        "features": {name: [ranked.features[name] for ranked in slate.items] for name in features},
    }


def _continue(path: Path) -> IO[str]:
    """Append to a file; a line that a killed server left torn is ended first."""
    stream = path.open("a", encoding="utf-8")
    if stream.tell():
        with path.open("rb") as written:
            written.seek(-1, os.SEEK_END)
            if written.read() != b"\n":
                stream.write("\n")
    return stream
