"""Folders and files that their owner alone may read, whatever the umask: what is personal, or near to secrets."""

import os
from pathlib import Path
from typing import IO

_FOLDER, _FILE = 0o700, 0o600


def private_folder(path: Path) -> Path:
    """Make the folder where it is missing, and close it to others where it was open to them."""
    path.mkdir(mode=_FOLDER, parents=True, exist_ok=True)
    path.chmod(_FOLDER)
    return path


def open_private(path: Path, flags: int) -> IO[bytes]:
    """The file for binary writing with ``os.open``'s flags beside O_WRONLY and O_CREAT; no link is followed."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | flags, _FILE)
    try:
        os.fchmod(file, _FILE)  # it may be there already, and the umask may have taken more
        return os.fdopen(file, "ab" if flags & os.O_APPEND else "wb")
    except BaseException:
        os.close(file)
        raise


def write_private(path: Path, text: str) -> None:
    """The file with that text, all at once or not at all."""
    content, draft = text.encode(), path.with_name(f"{path.name}.partial")
    with open_private(draft, os.O_TRUNC) as stream:
        stream.write(content)
    os.replace(draft, path)
