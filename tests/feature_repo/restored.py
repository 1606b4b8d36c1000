"""A folder, and a Redis, as they were once made: a case gets them back in place of a world built for it.

The files lie where they were made, because Feast's registry holds their paths. Open a new store after ``restore``.
"""

import shutil
from pathlib import Path

import redis


class Restored:
    """What is in a folder now; ``address``: and in a Redis, None = there is none."""

    def __init__(self, folder: Path, address: str | None = None) -> None:
        self._folder, self._address = folder, address
        self._kept = folder.with_name(f"{folder.name}-kept")
        self._rows: dict[bytes, bytes] = {}
        # Without SQLite's shared memory: the first that opens a database makes it again.
        shutil.copytree(folder, self._kept, ignore=shutil.ignore_patterns("*-shm"))
        if address is not None:
            with _client(address) as client:
                self._rows = {key: client.dump(key) for key in client.scan_iter()}

    def restore(self) -> None:
        """Put all of it back, and nothing else."""
        shutil.rmtree(self._folder)
        shutil.copytree(self._kept, self._folder)
        if self._address is not None:
            with _client(self._address) as client:
                client.flushdb()
                for key, row in self._rows.items():
                    client.restore(key, 0, row)


def _client(address: str) -> redis.Redis:
    host, port = address.split(":")
    return redis.Redis(host, int(port))
