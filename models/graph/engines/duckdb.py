"""DuckDB in the process, the default engine. It spills to the scratch folder when memory is full."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import psutil  # type: ignore[import-untyped]
import pyarrow as pa

from models.cpus import usable_cpus
from models.graph.engine import Values
from models.graph.errors import EngineError, StatementError
from models.parquet import parquet_source
from models.sql import identifier

_SHARE = 0.5
"""Share of the available memory that DuckDB may use by default."""
_CGROUPS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
_BATCH = 1_000_000
"""Rows of a streamed batch."""


@dataclass(frozen=True)
class DuckDB:
    """The engine; ``connect`` opens a database in memory that spills into the scratch folder."""

    memory_limit: int | None = None
    """Bytes; by default half of the memory of the machine or its control group."""
    threads: int | None = None
    """By default the CPUs that the process may use (``models.cpus``)."""

    @contextmanager
    def connect(self, scratch: Path) -> Iterator["DuckDBConnection"]:
        """Open the connection (see ``Engine``)."""
        settings = {
            "memory_limit": f"{self.memory_limit or int(_SHARE * available_memory())}B",
            "threads": self.threads or usable_cpus(),
            "temp_directory": str(scratch),
            "preserve_insertion_order": False,  # results that need an order have ORDER BY; keeping it costs memory
            "autoinstall_known_extensions": False,  # no downloads
        }
        with duckdb.connect(config=settings) as connection:
            yield DuckDBConnection(connection)


class DuckDBConnection:
    """The methods of ``Connection`` over one DuckDB connection."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def register(self, name: str, path: Path) -> None:
        """See ``Connection.register``."""
        source = parquet_source(path, row_number=True)
        with _translated_errors():
            self._connection.execute(f"CREATE VIEW {identifier(name)} AS SELECT * FROM {source}")

    def create(self, name: str, statement: str, values: Values = ()) -> None:
        """See ``Connection.create``."""
        with _translated_errors():
            self._connection.execute(f"CREATE TABLE {identifier(name)} AS {statement}", list(values))

    def drop(self, name: str) -> None:
        """See ``Connection.drop``."""
        with _translated_errors():
            self._connection.execute(f"DROP TABLE {identifier(name)}")

    def fetch(self, statement: str, values: Values = ()) -> pa.Table:
        """See ``Connection.fetch``."""
        with _translated_errors():
            return self._connection.sql(statement, params=list(values)).to_arrow_table()

    def stream(self, statement: str, values: Values = ()) -> Iterator[pa.RecordBatch]:
        """See ``Connection.stream``."""
        with _translated_errors():
            yield from self._connection.sql(statement, params=list(values)).to_arrow_reader(_BATCH)


def available_memory() -> int:
    """Bytes of memory of the machine, or of its control group (a container) if that has less."""
    limits = [psutil.virtual_memory().total]
    for path in _CGROUPS:
        if path.is_file() and (text := path.read_text(encoding="ascii").strip()).isdigit():
            limits.append(int(text))
    return min(limits)


@contextmanager
def _translated_errors() -> Iterator[None]:
    """Raise EngineError or StatementError for DuckDB's errors."""
    try:
        yield
    except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
        raise EngineError(
            f"DuckDB: expected room in memory and in its scratch folder; found {error}. "
            "Give it more memory (DuckDB(memory_limit=...)) or free the disk next to the graph"
        ) from error
    except (duckdb.Error, pa.ArrowException) as error:
        raise StatementError(str(error)) from error
