"""A DuckDB connection within bounds, and the files that it reads."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from models import storage
from models.cpus import usable_cpus

if TYPE_CHECKING:
    import duckdb

MEMORY = "700MB"
"""What DuckDB holds in memory; beyond, it spills to the disk."""
_READERS = 16


@contextmanager
def connected(scratch: Path, memory: str = MEMORY) -> Iterator["duckdb.DuckDBPyConnection"]:
    """A database in memory that spills to ``scratch``."""
    import duckdb

    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory,
        "threads": usable_cpus(),
        "temp_directory": str(scratch / "spilled"),
        "preserve_insertion_order": False,  # files are written in the order of their ORDER BY
        "autoinstall_known_extensions": False,  # no downloads
        "python_enable_replacements": False,
    }
    with duckdb.connect(config=settings) as connection:
        connection.execute("SET enable_progress_bar = false")
        connection.execute("SET TimeZone = 'UTC'")
        # By statistics alone it would write columns without nulls as another type, so that files differ in schema.
        connection.execute("SET disabled_optimizers = 'statistics_propagation'")
        yield connection


def local_files(addresses: Sequence[str], folder: Path) -> list[str]:
    """Paths of Parquet files; those in object storage are fetched to ``folder``. One that has gone is left out.

    Raises OSError.
    """

    def local(number: int) -> str | None:
        address = addresses[number]
        if not storage.is_remote(address):
            return address.removeprefix("file://")
        path = folder / f"{number}.parquet"
        try:
            storage.download_file(address, path)
        except FileNotFoundError:
            return None
        return str(path)

    with ThreadPoolExecutor(_READERS) as pool:
        return [path for path in pool.map(local, range(len(addresses))) if path is not None]


def readable(files: Sequence[str], needed: frozenset[str], whole: bool = False) -> list[str]:
    """The Parquet files that can be read and have these columns; ``whole``: not only their schema is read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    def is_readable(file: str) -> bool:
        try:
            if whole:
                with pq.ParquetFile(file) as content:
                    for _ in content.iter_batches():
                        pass
            return needed <= set(pq.read_schema(file).names)
        except (pa.ArrowException, OSError):
            return False

    return [file for file in files if is_readable(file)]
