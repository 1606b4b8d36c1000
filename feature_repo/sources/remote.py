"""Raw files in object storage, as a local folder for adapters: each file is fetched when an adapter reads it.

The local folder has an empty file for every remote one. ``files.read_once`` fetches the content of a file whose rows
are not kept, and removes it once it is read, so that the disk holds one raw file at a time.
"""

import logging
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from feature_repo.sources.errors import SourceError
from models.storage import download_file, file_state, files_below, is_remote, join
from models.system import one_line

log = logging.getLogger(__name__)

SECOND = 10**9
RECENT = 10 * SECOND
"""Nanoseconds: object storage tells times of change in whole seconds, so that a file that changed less than this ago
may change once more at the same time. Its rows are not kept."""
_PROGRESS = 15.0
"""Seconds between two lines about what was fetched."""


class RemoteFolder:
    """A folder in object storage, and the local folder that stands for it."""

    def __init__(self, address: str, folder: Path) -> None:
        """List the files at the address. Raises SourceError if there are none, or they cannot be listed."""
        self.address, self.folder = address.rstrip("/"), folder
        self._fetched, self._said = 0, time.monotonic()
        try:
            self._files = files_below(self.address)
        except OSError as error:
            raise SourceError(_refused(address, error)) from None
        if not self._files:
            raise SourceError(_refused(address, FileNotFoundError("no files")))
        for name in self._files:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()

    def has(self, path: Path) -> bool:
        """Whether the local path stands for a file of this folder."""
        return path.is_relative_to(self.folder) and path.relative_to(self.folder).as_posix() in self._files

    def address_of(self, path: Path) -> str:
        """The address of the file that a local path stands for."""
        return join(self.address, path.relative_to(self.folder).as_posix())

    def state(self, path: Path) -> str:
        """What changes with the file's content: its size and time of change when the folder was listed."""
        size, changed = self._files[path.relative_to(self.folder).as_posix()]
        return f"{size} {changed}"

    @contextmanager
    def content(self, path: Path) -> Iterator[None]:
        """Fetch the file for the block; at its end the local file is empty again."""
        address = self.address_of(path)
        try:
            download_file(address, path)
        except OSError as error:
            raise SourceError(one_line(error)) from None
        self._fetched += path.stat().st_size
        if time.monotonic() - self._said > _PROGRESS:
            self._said = time.monotonic()
            log.info("raw files: %.0f MB fetched, up to %s", self._fetched / 1e6, address)
        try:
            yield
        finally:
            path.write_bytes(b"")

    def settled(self, path: Path) -> bool:
        """Whether the file is as it was when the folder was listed, and changed long enough ago to tell."""
        size, changed = self._files[path.relative_to(self.folder).as_posix()]
        now = file_state(self.address_of(path))
        same = now is not None and (now[0], now[1] // SECOND) == (size, changed // SECOND)
        return same and time.time_ns() - changed >= RECENT


_REMOTE: ContextVar[RemoteFolder | None] = ContextVar("remote", default=None)


@contextmanager
def raw_folder(address: str) -> Iterator[Path]:
    """The folder of raw files at an address (``models.storage``), as a path that adapters read inside the block.

    Raises SourceError if a remote address has no files or may not be read. Errors of adapters name the address.
    """
    if not is_remote(address):
        yield Path(address.removeprefix("file://"))
        return
    with tempfile.TemporaryDirectory() as scratch:
        token = _REMOTE.set(RemoteFolder(address, Path(scratch)))
        try:
            yield Path(scratch)
        except SourceError as error:
            first, *more = (one.replace(scratch, address.rstrip("/")) for one in error.sentences)
            raise SourceError(first, tuple(more)) from None
        finally:
            _REMOTE.reset(token)


def remote_folder(path: Path) -> RemoteFolder | None:
    """The remote folder that has the file at this local path; None for a local file."""
    remote = _REMOTE.get()
    return remote if remote is not None and remote.has(path) else None


def _refused(address: str, error: OSError) -> str:
    found = error.strerror or str(error)
    return (
        f"{address}: expected a folder of raw files that may be read; found {found}. Check the address and its rights"
    )
