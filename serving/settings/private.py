"""Private folders and files: personal data and secrets that only their owner may read, whatever the umask."""

import os
from pathlib import Path
from typing import IO

from models.files import replaced_file

_FOLDER, _FILE = 0o700, 0o600


def private_folder(path: Path) -> Path:
    """Make the folder if it is missing, and set its mode to 0700."""
    path.mkdir(mode=_FOLDER, parents=True, exist_ok=True)
    path.chmod(_FOLDER)
    return path


def open_private(path: Path, flags: int, buffering: int = -1) -> IO[bytes]:
    """Open a file of mode 0600 for binary writing. Links are not followed.

    ``flags`` of ``os.open`` are added; ``buffering`` as of ``open``.
    """
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | flags, _FILE)
    try:
        os.fchmod(file, _FILE)  # the file may exist already, and the umask may have removed more
        return os.fdopen(file, "ab" if flags & os.O_APPEND else "wb", buffering)
    except BaseException:
        os.close(file)
        raise


def write_private(path: Path, text: str) -> None:
    """Write UTF-8 text to a file of mode 0600, atomically."""
    with replaced_file(path) as draft, open_private(draft, os.O_TRUNC) as stream:
        stream.write(text.encode())
