"""The digest of a file."""

import hashlib
from pathlib import Path


def digest(path: Path) -> str:
    """The file's sha256: of a manifest, it stands for the whole folder."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
