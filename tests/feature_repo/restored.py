"""A folder, and a Redis, as they were once made: a case gets them back in place of a world built for it.

The files lie where they were made, because Feast's registry and MLflow hold their paths.
"""

import contextlib
import re
import shutil
import sqlite3
from pathlib import Path

import redis

_DATABASE = re.compile(r"\.db(-wal|-shm|-journal)?$")


class Restored:
    """What is in a folder now; ``address``: and in a Redis, None = there is none."""

    def __init__(self, folder: Path, address: str | None = None) -> None:
        self._folder, self._address = folder, address
        self._kept = folder.with_name(f"{folder.name}-kept")
        self._rows: dict[bytes, bytes] = {}
        _copy(folder, self._kept)
        if address is not None:
            with _client(address) as client:
                self._rows = {key: client.dump(key) for key in client.scan_iter()}

    def restore(self) -> None:
        """Put all of it back, and nothing else."""
        for path in sorted(self._folder.rglob("*"), reverse=True):
            kept = self._kept / path.relative_to(self._folder)
            if path.is_dir():
                if not kept.exists():
                    path.rmdir()
            elif not kept.with_name(_DATABASE.sub(".db", kept.name)).exists() or not _DATABASE.search(kept.name):
                path.unlink()
        _copy(self._kept, self._folder)
        if self._address is not None:
            with _client(self._address) as client:
                client.flushdb()
                for key, row in self._rows.items():
                    client.restore(key, 0, row)


def _copy(source: Path, target: Path) -> None:
    """Copy a folder. Databases stay the files that they are: MLflow and Feast keep connections to them."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.db*"), dirs_exist_ok=True)
    for file in source.rglob("*.db"):
        with (
            contextlib.closing(sqlite3.connect(file)) as old,
            contextlib.closing(sqlite3.connect(target / file.relative_to(source))) as new,
        ):
            old.backup(new)


def _client(address: str) -> redis.Redis:
    host, port = address.split(":")
    return redis.Redis(host, int(port))
