"""Raw files that are read once: their rows are kept, so that the next ingest reads only files that are new or changed.

A file's rows are kept as one Parquet file, named by a digest of the file's path, size, times of change, and of how it
was read. Kept rows of files that are gone are removed. Without ``keeping`` every file is read.
"""

import hashlib
import logging
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from models.files import replaced_file

log = logging.getLogger(__name__)

FORM = 1
"""Raised when files are read in another way than by an earlier release, so that kept rows are read again."""


class KeptRows:
    """Rows of raw files in a folder, from this ingest and the last."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._used: set[str] = set()
        self.read = 0
        """How many files were read."""
        self.reused = 0
        """How many files were not read, since their rows were kept."""

    def rows(self, path: Path, form: str, read: Callable[[], pa.Table]) -> pa.Table:
        """The rows of a file, kept or read; rows of a file that changes meanwhile are not kept."""
        state = _state(path)
        name = hashlib.sha256(f"{FORM}\n{path.absolute()}\n{state}\n{form}".encode()).hexdigest() + ".parquet"
        kept = self._kept(name) if state else None
        if kept is not None:
            self.reused += 1
            self._used.add(name)
            return kept
        table = read()
        self.read += 1
        if state and state == _state(path):
            with replaced_file(self._folder / name) as draft:
                pq.write_table(table, draft, compression="zstd", write_page_checksum=True)
            self._used.add(name)
        return table

    def remove_unused(self) -> None:
        """Remove the rows of files that this ingest did not ask for, and what killed ones left unfinished."""
        for draft in self._folder.glob(".*"):
            shutil.rmtree(draft, ignore_errors=True)
        for path in self._folder.glob("*.parquet"):
            if path.name not in self._used:
                path.unlink(missing_ok=True)

    def _kept(self, name: str) -> pa.Table | None:
        path = self._folder / name
        try:
            return pq.read_table(path, page_checksum_verification=True)
        except FileNotFoundError:
            return None
        except (pa.ArrowException, OSError) as error:
            log.warning("%s: cannot be read (%s); the raw file is read again", path, " ".join(str(error).split())[:200])
            return None


_KEPT: ContextVar[KeptRows | None] = ContextVar("kept", default=None)


@contextmanager
def keeping(folder: Path | None) -> Iterator[None]:
    """Inside the block, ``read_once`` keeps rows in ``folder`` and reuses those of earlier blocks. None: it does not.

    At the end rows of files that are gone are removed, and a line says how many files were read; not after an error.
    """
    if folder is None:
        yield
        return
    kept = KeptRows(folder)
    token = _KEPT.set(kept)
    try:
        yield
        kept.remove_unused()
        if kept.read or kept.reused:
            log.info("raw files: %d read, %d unchanged since they were read", kept.read, kept.reused)
    finally:
        _KEPT.reset(token)


def read_once(path: Path, form: str, read: Callable[[], pa.Table]) -> pa.Table:
    """The rows of a raw file: those of the last ingest if the file is unchanged, else what ``read`` returns.

    ``form``: how it is read, such as columns and types; another form reads again. Adapters call this for every file.
    """
    kept = _KEPT.get()
    return read() if kept is None else kept.rows(path, form, read)


def _state(path: Path) -> str:
    """What changes with a file's content; empty if there is no such regular file."""
    try:
        found = path.stat()
    except OSError:
        return ""
    if not stat.S_ISREG(found.st_mode):
        return ""
    return f"{found.st_ino} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"
