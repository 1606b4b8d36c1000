"""Files at an address: an absolute path on this machine, or a URI of object storage such as ``s3://bucket/folder``.

A URI is one of ``pyarrow.fs``. Its path is a key as it is, without percent signs as codes; MinIO is written as S3 at
AWS_ENDPOINT_URL. Credentials come from the environment, never from an address. A bucket has to be there.

Errors name the address: FileNotFoundError (no such file or bucket), PermissionError, ConnectionError (no response), or
another OSError; ValueError for an address that cannot be used.
"""

import errno
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import quote

from models.files import replaced_file, replaced_folder

if TYPE_CHECKING:  # imported where it is used: it takes a fifth of a second, and a local file does not need it
    from pyarrow.fs import FileInfo, FileSystem

REMOTE = ("s3://", "gs://", "minio://")
"""Schemes of object storage that Kubeflow Pipelines reads artifacts from, too."""
_LOCAL = "file://"
_OPTIONS = {"s3": "?allow_delayed_open=true"}
"""A small file is one request, so that it is there as a whole or not at all."""
_BLOCK = 8 << 20
_TRIES = 5
_FOUND = {
    "NO_SUCH_BUCKET": (errno.ENOENT, "no such bucket (it has to be made first)"),
    "ACCESS_DENIED": (errno.EACCES, "access denied"),
    "FORBIDDEN": (errno.EACCES, "access denied"),
    "INVALID_ACCESS_KEY_ID": (errno.EACCES, "an unknown access key"),
    "SIGNATURE_DOES_NOT_MATCH": (errno.EACCES, "a wrong secret key"),
}
"""Words in Arrow's messages: what they mean."""


def is_remote(address: str) -> bool:
    """Whether the address is a URI of object storage and not a path on this machine."""
    return "://" in address and not address.startswith(_LOCAL)


def join(address: str, *names: str) -> str:
    """The address of something below."""
    return "/".join([address.rstrip("/"), *names])


def file_system(address: str) -> tuple["FileSystem", str]:
    """The file system of an address, and the path on it. Raises ValueError for an address that cannot be used."""
    from pyarrow import ArrowException
    from pyarrow.fs import FileSystem, LocalFileSystem

    if not is_remote(address):
        return LocalFileSystem(), str(_here(address))
    scheme, _, path = address.partition("://")
    scheme = "s3" if scheme == "minio" else scheme
    if not path.partition("/")[0] or "@" in path.partition("/")[0]:
        raise ValueError(
            f"{scheme}://...: expected the name of a bucket, without credentials (they come from the environment); "
            "found none, or a name with @"
        )
    try:
        files, found = FileSystem.from_uri(f"{scheme}://{quote(path.rstrip('/'))}{_OPTIONS.get(scheme, '')}")
        return files, found
    except OSError as error:
        _raise(address, error)
    except ArrowException as error:
        raise ValueError(f"{address}: expected a path or {', '.join(REMOTE)}; found {_one_line(error)}") from None


def read_bytes(address: str) -> bytes:
    """The content of a file. Raises FileNotFoundError."""
    if not is_remote(address):
        return _here(address).read_bytes()
    files, path = file_system(address)
    with _told(address), files.open_input_stream(path) as stream:
        content: bytes = stream.read()
        return content


def write_bytes(address: str, content: bytes) -> None:
    """Write a file, whole or not at all; folders are made."""
    if not is_remote(address):
        with replaced_file(_here(address)) as draft:
            draft.write_bytes(content)
        return
    files, path = file_system(address)
    with _told(address), files.open_output_stream(path) as stream:
        stream.write(content)


def exists(address: str) -> bool:
    """Whether there is a file or a folder."""
    return bool(_info(address).type)


def names(address: str) -> list[str]:
    """The names of files and folders directly below, sorted; none where there is no such folder."""
    return sorted(entry.base_name for entry in _listed(address, missing=True))


def remove(address: str) -> None:
    """Remove a file, or a folder with all that is in it; nothing where there is neither."""
    found, (files, path) = _info(address), file_system(address)
    with _told(address):
        if found.is_file:
            files.delete_file(path)
        elif found.type:
            files.delete_dir(path)


def files_below(address: str) -> dict[str, tuple[int, int]]:
    """The files in a folder and its folders: relative path -> (bytes, time of change in nanoseconds), sorted by path.

    Raises FileNotFoundError if there is no such folder, or no such bucket.
    """
    path = file_system(address)[1]
    found = _listed(address, recursive=True)
    below = {entry.path.removeprefix(path).lstrip("/"): entry for entry in found if entry.is_file}
    return {name: (entry.size, entry.mtime_ns) for name, entry in sorted(below.items()) if ".." not in name.split("/")}


def file_state(address: str) -> tuple[int, int] | None:
    """A file's bytes and time of change in nanoseconds, often in whole seconds; None where there is no file."""
    found = _info(address)
    return (found.size, found.mtime_ns) if found.is_file else None


def change_file(address: str, changed: Callable[[bytes], bytes | None]) -> None:
    """Write a file again with what ``changed`` makes of its content: None leaves it as it is, b"" removes it.

    If another process replaces the file meanwhile, the new content is changed. Only what replaces it between the last
    look and the write is lost. Nothing where there is no file. Raises OSError if it is replaced again and again.
    """
    for _ in range(_TRIES):
        before = file_state(address)
        if before is None:
            return
        try:
            content = changed(read_bytes(address))
        except FileNotFoundError:
            return
        if content is None:
            return
        if file_state(address) == before:
            if content:
                write_bytes(address, content)
            else:
                remove(address)
            return
    raise OSError(
        f"{address}: expected nobody to replace it while it is changed; found it replaced {_TRIES} times. Repeat this "
        "command"
    )


def upload(folder: Path, address: str, last: str = "") -> None:
    """Copy a local folder to an address; what was there is replaced.

    ``last``: the name of a file that is removed first and written after all others, so that a reader who finds it finds
    a whole folder. Object storage has no other way; on this machine the folder is replaced at once.
    """
    if not is_remote(address):
        with replaced_folder(_here(address)) as fresh:
            shutil.copytree(folder, fresh, dirs_exist_ok=True)
        return
    files, path = file_system(address)
    sent = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    sent.sort(key=lambda name: name == last)
    if last:
        remove(join(address, last))
    old = _listed(address, recursive=True, missing=True)
    with _told(address):
        for name in sent:
            with (folder / name).open("rb") as source, files.open_output_stream(f"{path}/{name}") as stream:
                shutil.copyfileobj(source, stream, _BLOCK)
        for entry in old:
            if entry.is_file and entry.path.removeprefix(f"{path}/") not in sent:
                files.delete_file(entry.path)


def download(address: str, folder: Path) -> None:
    """Copy what is at an address into a local folder, which is replaced. Raises FileNotFoundError if there is none."""
    found = files_below(address)
    with replaced_folder(folder) as fresh:
        for name in found:
            download_file(join(address, name), fresh / name)


def download_file(address: str, file: Path) -> None:
    """Copy one file into a local one; its folder is made. Raises FileNotFoundError."""
    files, path = file_system(address)
    file.parent.mkdir(parents=True, exist_ok=True)
    with _told(address), files.open_input_stream(path) as stream, file.open("wb") as target:
        shutil.copyfileobj(stream, target, _BLOCK)


def _here(address: str) -> Path:
    """The path of a local address."""
    path = Path(address.removeprefix(_LOCAL))
    if not path.is_absolute():
        raise ValueError(f"{address}: expected an absolute path or {', '.join(REMOTE)}; found neither")
    return path


def _listed(address: str, recursive: bool = False, missing: bool = False) -> list["FileInfo"]:
    """What is in a folder; ``missing``: nothing where there is none, else FileNotFoundError."""
    from pyarrow.fs import FileSelector

    files, path = file_system(address)
    with _told(address):
        found: list[FileInfo] = files.get_file_info(FileSelector(path, recursive=recursive, allow_not_found=missing))
        return found


def _info(address: str) -> "FileInfo":
    files, path = file_system(address)
    with _told(address):
        return files.get_file_info(path)


@contextmanager
def _told(address: str) -> Iterator[None]:
    """Errors of the block as errors that name the address."""
    try:
        yield
    except OSError as error:
        _raise(address, error)


def _raise(address: str, error: OSError) -> NoReturn:
    text = _one_line(error)
    if "NETWORK_CONNECTION" in text or "Could not connect" in text:
        raise ConnectionError(f"{address}: no connection to the object storage") from None
    for word, (number, meaning) in _FOUND.items():
        if f"Error {word} " in text:
            raise OSError(number, meaning, address) from None
    if isinstance(error, FileNotFoundError):
        raise FileNotFoundError(errno.ENOENT, "no such file or folder", address) from None
    raise OSError(error.errno or errno.EIO, error.strerror or text, address) from None


def _one_line(error: Any) -> str:
    return " ".join(str(error).split())[:300]
