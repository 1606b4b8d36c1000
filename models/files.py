"""A folder that appears as a whole or not at all, and digests of what it holds."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder beside ``folder`` that takes its place when the block ends without an error.

    What a killed run left is removed first, or put back where it was killed between the two renames. One writer at a
    time per folder.
    """
    folder = Path(folder).absolute()
    fresh, previous = (folder.with_name(f".{folder.name}.{state}") for state in ("fresh", "previous"))
    if previous.exists() and not folder.exists():
        previous.rename(folder)
    for leftover in (fresh, previous):
        shutil.rmtree(leftover, ignore_errors=True)
    fresh.mkdir(parents=True)
    try:
        yield fresh
        if folder.exists():
            folder.rename(previous)
        fresh.rename(folder)
    finally:
        for leftover in (fresh, previous):
            shutil.rmtree(leftover, ignore_errors=True)


def sha256_of_file(path: Path) -> str:
    """The file's SHA-256 in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_json(document: dict[str, Any]) -> str:
    """The SHA-256 in hex of a JSON document, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
