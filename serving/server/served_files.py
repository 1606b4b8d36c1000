"""Files of the served log: JSON lines in a folder, one file per day or more."""

import fcntl
import os
from pathlib import Path
from typing import IO

from models.time_units import moment
from serving.settings.private import open_private, private_folder


class ServedFiles:
    """Files ``<day>.jsonl`` in a folder; a full one is continued in ``<day>.<number>.jsonl``; the oldest are removed.

    The lines of a slate are given to the operating system with one call, so they outlive the process, and processes
    that share a folder do not mix theirs. An empty line comes first: it ends what another process left unfinished when
    it was killed, or when the disk was full. A file is synchronized with the disk when it is closed. Folder and files
    are readable by their owner only. A file that is rewritten without a member (``models.served_rewrite``) is opened
    again: every write holds a shared lock of the file.
    """

    def __init__(self, folder: Path, file_bytes: int = 64 << 20, files: int = 30) -> None:
        self._folder, self._file_bytes, self._files = folder, file_bytes, files
        self._stream: IO[bytes] | None = None
        self._day = ""
        private_folder(folder)  # what a member was shown is personal data
        for file in folder.glob("*.jsonl"):  # an older release left them readable by others
            file.chmod(0o600)

    def write(self, lines: bytes, served: int) -> None:
        """Append the lines of one slate. Raises OSError; then the end of the last line may be missing."""
        stream = self._locked(moment(served).date().isoformat())
        left = memoryview(b"\n" + lines)
        try:
            while left:
                left = left[stream.write(left) :]
            fcntl.flock(stream, fcntl.LOCK_UN)
        except OSError:
            self._stream = None
            stream.close()
            raise

    def close(self) -> None:
        """Synchronize the file with the disk and close it. Raises OSError."""
        stream, self._stream = self._stream, None  # forgotten first: either step fails on a broken disk
        if stream is not None:
            with stream:
                os.fsync(stream.fileno())

    def _locked(self, day: str) -> IO[bytes]:
        """The day's file, locked, and not one that has been replaced or removed meanwhile."""
        while True:
            stream = self._open(day)
            fcntl.flock(stream, fcntl.LOCK_SH)
            if os.fstat(stream.fileno()).st_nlink:
                return stream
            self._stream = None
            stream.close()

    def _open(self, day: str) -> IO[bytes]:
        """The day's file, or the next one when it is full."""
        stream = self._stream
        if stream is not None and self._day == day and stream.tell() < self._file_bytes:
            return stream
        self.close()
        number, path = 0, self._folder / f"{day}.jsonl"
        while path.is_file() and path.stat().st_size >= self._file_bytes:
            number += 1
            path = self._folder / f"{day}.{number:04d}.jsonl"
        stream = _open_for_append(path)
        self._stream, self._day = stream, day
        for old in sorted(self._folder.glob("*.jsonl"), key=lambda file: file.stat().st_mtime)[: -self._files]:
            old.unlink(missing_ok=True)
        return stream


def _open_for_append(path: Path) -> IO[bytes]:
    return open_private(path, os.O_APPEND, buffering=0)
