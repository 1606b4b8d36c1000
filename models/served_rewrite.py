"""Rewrite the files of the served log, or of new outcomes, without a member's lines, also while servers append to them.

A writer holds a shared lock of a file while it appends (``serving.server.served_files``), and opens the file again if
it was replaced. So no line is lost, and all others stay as they are, byte for byte.
"""

import fcntl
import os
import re
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import orjson

from models.files import replaced_file
from models.served_rows import line_object


def erase(folder: Path, member: int | str, model: str, dry_run: bool = False) -> dict[str, int]:
    """Erase the lines of one member; return how many, by file, of the files that have some.

    ``model``: the registered model's name, since lines of other products stay. A line that a killed server left
    incomplete goes as well if it may be the member's. Killed at any moment, a file is as it was or as it should be.
    Raises OSError.
    """
    return _erase_lines(folder, _Own(member, model), dry_run)


def erase_impressions(folder: Path, impressions: Collection[str], model: str, dry_run: bool = False) -> dict[str, int]:
    """Erase the lines of these impressions' outcomes, as ``erase`` does; an incomplete line is nobody's outcome."""

    def own(line: bytes) -> bool:
        found = line_object(line)
        return found is not None and found.get("impression") in ids and found.get("model", model) == model

    ids = frozenset(impressions)
    return _erase_lines(folder, own, dry_run) if ids else {}


def impressions(folder: Path, member: int | str, model: str) -> set[str]:
    """The ids of a member's impressions in a folder's lines. Raises OSError."""
    own, found = _Own(member, model), set[str]()
    for file in sorted(folder.glob("*.jsonl")):
        with file.open("rb") as stream:
            lines = (line_object(line) for line in stream if own(line))
            found |= {line["impression"] for line in lines if line and isinstance(line.get("impression"), str)}
    return found


def _erase_lines(folder: Path, own: Callable[[bytes], bool], dry_run: bool) -> dict[str, int]:
    found = {file.name: _erase(file, own, dry_run) for file in sorted(folder.glob("*.jsonl"))}
    return {name: lines for name, lines in found.items() if lines}


def _erase(file: Path, own: Callable[[bytes], bool], dry_run: bool) -> int:
    with _locked(file) as stream:
        if stream is None:
            return 0
        lines = sum(map(own, stream))
        if not lines or dry_run:
            return lines
        stream.seek(0)
        before = os.fstat(stream.fileno())
        with replaced_file(file) as draft:
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, before.st_mode & 0o777), "wb") as target:
                target.writelines(line for line in stream if not own(line))
                target.flush()
                os.fsync(target.fileno())
            if os.geteuid() == 0:
                os.chown(draft, before.st_uid, before.st_gid)
            os.utime(draft, ns=(before.st_atime_ns, before.st_mtime_ns))  # the oldest files are removed first
    return lines


@contextmanager
def _locked(file: Path) -> Iterator[IO[bytes] | None]:
    """The file while no server appends to it; None if it has gone."""
    while True:
        try:
            stream = file.open("rb")
        except FileNotFoundError:
            yield None
            return
        with stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            if os.fstat(stream.fileno()).st_nlink:
                yield stream
                return


class _Own:
    """Whether a line is the member's, or an incomplete one that may be."""

    def __init__(self, member: int | str, model: str) -> None:
        self._member, self._model, self._text = member, model, orjson.dumps(member)
        self._incomplete = re.compile(b'"member":' + re.escape(self._text) + rb"(?![0-9])")

    def __call__(self, line: bytes) -> bool:
        if self._text not in line:  # most lines, without parsing them
            return False
        try:
            found = orjson.loads(line)
        except orjson.JSONDecodeError:
            return self._incomplete.search(line) is not None
        if not isinstance(found, dict) or found.get("model", self._model) != self._model:
            return False
        value = found.get("member")
        return type(value) is type(self._member) and bool(value == self._member)
