"""Verified files of a manifest: plain files in its folder, opened without following links out of it."""

import json
import os
import stat
import unicodedata
from collections.abc import Mapping
from hashlib import file_digest
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple


class SealError(ValueError):
    """Raised for a manifest that cannot be trusted, and for anything in its folder that is not a plain file."""


class Identity(NamedTuple):
    """Which file it is and when it last changed; not even its owner can set ``changed``."""

    device: int
    number: int
    size: int
    changed: int
    """Nanoseconds (ctime)."""


def stated_files(manifest: Mapping[str, Any], place: Path) -> dict[str, str]:
    """The entry ``files`` of a manifest: SHA-256 in hex by relative name. Raises SealError.

    Only plain names are accepted: not absolute, without ``..``, ``.``, ``//``, backslash, colon or control character,
    in Unicode form NFC, and different from each other in more than case.
    """
    files = manifest.get("files")
    if not isinstance(files, dict):
        raise SealError(f"{place}: expected the digests of the files; found none")
    by_folded: dict[str, str] = {}
    for name, digest in files.items():
        check_name(name, place)
        if by_folded.setdefault(name.casefold(), name) != name:
            raise SealError(f"{place}: expected names that differ by more than case; found {name!r:.80}")
        if not (isinstance(digest, str) and len(digest) == 64 and set(digest) <= set("0123456789abcdef")):
            raise SealError(f"{place}: expected a SHA-256 in hex for {name!r:.80}; found {digest!r:.80}")
    return dict(files)


def check_name(name: str, place: Path) -> None:
    """Raise SealError for a name that is not that of a plain file below a folder (see ``stated_files``)."""
    plain = (
        not any(part in ("", ".", "..") or part != part.strip() for part in name.split("/"))
        and not set(name) & set("\\:")
        and not any(unicodedata.category(letter).startswith("C") for letter in name)
        and unicodedata.normalize("NFC", name) == name
    )
    if not plain:
        raise SealError(f"{place}: expected names of files below its folder; found {name!r:.80}")


def json_object(raw: bytes, place: Path) -> dict[str, Any]:
    """Parse a manifest's JSON object. Raises SealError, also for a repeated key."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise SealError(f"{place}: expected each key once; found one twice")
        return found

    try:
        document = json.loads(raw, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        if isinstance(error, SealError):
            raise
        raise SealError(f"{place}: expected JSON; found {type(error).__name__}") from None
    if not isinstance(document, dict):
        raise SealError(f"{place}: expected a JSON object; found {type(document).__name__}")
    return document


def open_plain(folder: Path, name: str) -> BinaryIO:
    """Open the plain file ``name`` below a folder. Raises SealError for links, devices, folders and missing files.

    The folder itself may be reached through a link: the caller vouches for it.
    """
    check_name(name, folder)
    *parents, last = name.split("/")
    at = descriptor = -1
    try:
        at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        for parent in parents:
            below = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=at)
            os.close(at)
            at = below
        kind = os.stat(last, dir_fd=at, follow_symlinks=False).st_mode
        if not stat.S_ISREG(kind):  # checked before opening: opening a device may have effects
            raise SealError(f"{folder / name}: expected a plain file; found {_KINDS.get(stat.S_IFMT(kind), 'another')}")
        descriptor = os.open(last, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=at)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise SealError(f"{folder / name}: expected a plain file; found that it was replaced")
        stream, descriptor = os.fdopen(descriptor, "rb"), -1
        return stream
    except FileNotFoundError:
        raise SealError(f"{folder / name}: expected the file that the manifest names; found none") from None
    except OSError as error:
        raise SealError(f"{folder / name}: expected a plain file of this folder; found: {error.strerror}") from None
    finally:
        for opened in (at, descriptor):
            if opened >= 0:
                os.close(opened)


_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def read_plain(folder: Path, name: str) -> bytes:
    """The content of the plain file ``name`` below a folder. Raises SealError."""
    with open_plain(folder, name) as stream:
        return stream.read()


def hash_plain(folder: Path, name: str) -> tuple[str, Identity]:
    """SHA-256 in hex of a plain file, and its identity. Raises SealError, also if it changes while it is read."""
    with open_plain(folder, name) as stream:
        before = _identity(os.fstat(stream.fileno()))
        digest = file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]
        if _identity(os.fstat(stream.fileno())) != before:
            raise SealError(f"{folder / name}: expected it to stay as it is while it is read; found it changed")
        return digest, before


def check_same(folder: Path, files: Mapping[str, Identity]) -> None:
    """Raise SealError if a file was replaced or written to since it was hashed."""
    for name, identity in files.items():
        with open_plain(folder, name) as stream:
            if _identity(os.fstat(stream.fileno())) != identity:
                raise SealError(f"{folder / name}: expected it to stay as it is while it is read; found it changed")


def plain_files(folder: Path) -> list[str]:
    """The relative names of all files below a folder, sorted. Raises SealError for links, devices and the like."""
    found = []
    for place, folders, files in os.walk(folder, onerror=_raise):
        for name in [*folders, *files]:
            path = Path(place) / name
            kind = path.lstat().st_mode
            if stat.S_ISREG(kind):
                found.append(path.relative_to(folder).as_posix())
            elif not stat.S_ISDIR(kind):
                raise SealError(f"{path}: expected a plain file; found {_KINDS.get(stat.S_IFMT(kind), 'another')}")
    return sorted(found)


def _raise(error: OSError) -> None:
    raise SealError(f"{error.filename}: expected a folder that can be read; found: {error.strerror}")


def _identity(found: os.stat_result) -> Identity:
    return Identity(found.st_dev, found.st_ino, found.st_size, found.st_ctime_ns)
