"""Atomic writes of files and folders, and digests of their content."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """Yield a path next to ``path``, with the same suffix, that replaces it when the block ends without an error.

    Missing parent folders are made. Readers see the old file or the new one, never a part. Of several writers, the last
    one to finish wins.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as beside:
        draft = Path(beside) / path.name
        yield draft
        draft.replace(path)


def write_text(path: Path, text: str) -> Path:
    """Write UTF-8 text atomically; return ``path``."""
    with replaced_file(path) as draft:
        draft.write_text(text, encoding="utf-8")
    return path


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder that becomes ``folder`` when the block ends without an error.

    Raises FileExistsError where ``folder`` exists, before the block runs.
    """
    folder = Path(folder)
    if folder.exists():
        raise FileExistsError(f"{folder}: expected no such folder yet; found one. Choose another or remove it.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as beside:
        draft = Path(beside) / folder.name
        draft.mkdir()
        yield draft
        draft.rename(folder)


@contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder next to ``folder`` that replaces it when the block ends without an error.

    Leftovers of a killed run are removed first; a run killed between the two renames is rolled back. One writer at a
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


@contextmanager
def scratch_folder(folder: Path) -> Iterator[Path]:
    """An empty folder for what is written on the way; that of a killed call is removed first, this one at the end."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sha256_of_file(path: Path) -> str:
    """The file's SHA-256 in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_json(document: dict[str, Any]) -> str:
    """The SHA-256 in hex of a JSON document, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
