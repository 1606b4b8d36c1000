"""Raw files that are read once: their rows are kept, so that the next ingest reads only files that are new or changed.

A file's rows are kept as one Parquet file, named by a digest of the file's path or address, size, times of change, and
of how it was read. Kept rows of files that are gone are removed. Without ``keeping`` every file is read. Raw files and
kept rows may lie in object storage, each without the other. Rows of forgotten members are not kept; the metadata of a
kept file has the columns that name members.
"""

import hashlib
import json
import logging
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from feature_repo.forgotten import Forgotten
from feature_repo.sources.remote import remote_folder
from models.files import replaced_file
from models.storage import download_file, is_remote, join, names, remove, write_bytes

log = logging.getLogger(__name__)

FORM = 1
"""Raised when files are read in another way than by an earlier release, so that kept rows are read again."""
MEMBERS = b"heliograph.members"
"""Key of a kept file's metadata: the columns that name members, as a JSON list."""
Columns = Callable[[Path, list[str]], list[str]]
"""From a raw file and its columns to those that name members."""
_AT_ONCE = 16
"""Files of kept rows that are fetched at the same time."""


class KeptRows:
    """Rows of raw files in a folder, from this ingest and the last."""

    def __init__(
        self,
        folder: Path,
        address: str = "",
        columns: Columns = lambda file, names: [],
        forgotten: Forgotten | None = None,
    ) -> None:
        """``address``: object storage that has the same files; empty if the folder itself outlives the ingest."""
        self._folder, self._address = folder, address
        self._columns, self._forgotten = columns, forgotten or Forgotten()
        self._used: set[str] = set()
        self.read = 0
        """How many files were read."""
        self.reused = 0
        """How many files were not read, since their rows were kept."""

    def rows(
        self, path: Path, form: str, read: Callable[[], pa.Table], members: Sequence[str] | None = None
    ) -> pa.Table:
        """The rows of a file, kept or read; rows of a file that changes meanwhile are not kept.

        ``members``: the columns that name members. None = those of which ``columns`` says so.
        """
        remote = remote_folder(path)
        state = remote.state(path) if remote else _state(path)
        where = remote.address_of(path) if remote else path.absolute()
        name = hashlib.sha256(f"{FORM}\n{where}\n{state}\n{form}".encode()).hexdigest() + ".parquet"
        kept = self._kept(name) if state else None
        if kept is not None:
            self.reused += 1
            self._used.add(name)
            left, named = self._left(path, kept, members)
            if left.num_rows < kept.num_rows:  # an ingest has kept them that began before the member was forgotten
                self._keep(name, left, named)
            return left
        table, named = self._left(path, _fetched(path, read), members)
        self.read += 1
        if state and (remote.settled(path) if remote else state == _state(path)):
            self._keep(name, table, named)
        return table

    def fetch(self) -> None:
        """Copy the kept rows from object storage into the folder, as they are; another ingest may remove some."""

        def fetched(name: str) -> None:
            try:
                download_file(join(self._address, name), self._folder / name)
            except FileNotFoundError:
                (self._folder / name).unlink(missing_ok=True)

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(fetched, [name for name in names(self._address) if name.endswith(".parquet")]))

    def remove_unused(self) -> None:
        """Remove the rows of files that this ingest did not ask for, and what killed ones left unfinished."""
        for draft in self._folder.glob(".*"):
            shutil.rmtree(draft, ignore_errors=True)
        for path in self._folder.glob("*.parquet"):
            if path.name not in self._used:
                path.unlink(missing_ok=True)
                if self._address:
                    remove(join(self._address, path.name))

    def _left(self, path: Path, table: pa.Table, members: Sequence[str] | None) -> tuple[pa.Table, list[str]]:
        """The rows of a file without those of forgotten members, and the columns that name members."""
        named = self._columns(path, table.column_names) if members is None else list(members)
        return self._forgotten.left(table, named), named

    def _keep(self, name: str, table: pa.Table, members: list[str]) -> None:
        with replaced_file(self._folder / name) as draft:
            write_kept(draft, table, members)
        if self._address:
            write_bytes(join(self._address, name), (self._folder / name).read_bytes())
        self._used.add(name)

    def _kept(self, name: str) -> pa.Table | None:
        path = self._folder / name
        try:
            table, _ = read_kept(path)
            return table
        except FileNotFoundError:
            return None
        except (pa.ArrowException, OSError) as error:
            log.warning("%s: cannot be read (%s); the raw file is read again", path, " ".join(str(error).split())[:200])
            return None


def write_kept(path: Path, table: pa.Table, members: list[str]) -> None:
    """Write kept rows; ``members``: the columns that name members."""
    metadata = {**(table.schema.metadata or {}), MEMBERS: json.dumps(members).encode()}
    table = table.replace_schema_metadata(metadata)
    pq.write_table(table, path, compression="zstd", write_page_checksum=True)


def read_kept(path: Path) -> tuple[pa.Table, list[str] | None]:
    """Kept rows, and the columns that name members; None: kept by an earlier release, which did not say."""
    table = pq.read_table(path, page_checksum_verification=True)
    metadata = dict(table.schema.metadata or {})
    members = metadata.pop(MEMBERS, None)
    return table.replace_schema_metadata(metadata or None), None if members is None else json.loads(members)


_KEPT: ContextVar[KeptRows | None] = ContextVar("kept", default=None)
_FORGOTTEN: ContextVar[Forgotten] = ContextVar("forgotten", default=Forgotten())  # noqa: B039 - it is frozen


@contextmanager
def keeping(
    address: str | None, columns: Columns = lambda file, names: [], forgotten: Forgotten | None = None
) -> Iterator[None]:
    """Inside the block, ``read_once`` keeps rows at an address and reuses those of earlier blocks. None: it does not.

    ``columns``: which columns name members. Rows of forgotten ones are not kept.

    At the end rows of files that are gone are removed, and a line says how many files were read; not after an error.
    """
    token = _FORGOTTEN.set(forgotten or Forgotten())
    try:
        with _kept_at(address, columns, forgotten):
            yield
    finally:
        _FORGOTTEN.reset(token)


def without_members(table: pa.Table, members: Sequence[str]) -> pa.Table:
    """The rows that name no forgotten member of the surrounding ``keeping`` in these columns."""
    return _FORGOTTEN.get().left(table, members)


@contextmanager
def _kept_at(address: str | None, columns: Columns, forgotten: Forgotten | None) -> Iterator[None]:
    if address is None:
        yield
        return
    with tempfile.TemporaryDirectory() if is_remote(address) else nullcontext(address) as folder:
        kept = KeptRows(Path(folder), address if is_remote(address) else "", columns, forgotten)
        if is_remote(address):
            kept.fetch()
        token = _KEPT.set(kept)
        try:
            yield
            kept.remove_unused()
            if kept.read or kept.reused:
                log.info("raw files: %d read, %d unchanged since they were read", kept.read, kept.reused)
        finally:
            _KEPT.reset(token)


def read_once(path: Path, form: str, read: Callable[[], pa.Table], members: Sequence[str] | None = None) -> pa.Table:
    """The rows of a raw file: those of the last ingest if the file is unchanged, else what ``read`` returns.

    ``form``: how it is read, such as columns and types; another form reads again. ``members``: the columns that name
    members; None = by their names. Adapters call this for every file: a file in object storage has its content at
    ``path`` only while ``read`` runs. Raises SourceError if it has gone.
    """
    kept = _KEPT.get()
    return _fetched(path, read) if kept is None else kept.rows(path, form, read, members)


def _fetched(path: Path, read: Callable[[], pa.Table]) -> pa.Table:
    """What ``read`` returns, with the content of a remote file at its local path."""
    remote = remote_folder(path)
    with remote.content(path) if remote else nullcontext():
        return read()


def _state(path: Path) -> str:
    """What changes with a file's content; empty if there is no such regular file."""
    try:
        found = path.stat()
    except OSError:
        return ""
    if not stat.S_ISREG(found.st_mode):
        return ""
    return f"{found.st_ino} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"
