"""DuckDB in the process: the default engine. What outgrows its memory goes to the scratch folder."""

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
_CGROUPS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
_BATCH = 1_000_000


@dataclass(frozen=True)
class DuckDB:
    """The engine; ``connect`` opens a database in memory that spills into the scratch folder."""

    memory_limit: int | None = None
    """Bytes that DuckDB may hold; by default half of what the machine or its control group has."""
    threads: int | None = None
    """By default as many as the process has CPUs: its affinity, within its control group's quota."""

    @contextmanager
    def connect(self, scratch: Path) -> Iterator["DuckDBConnection"]:
        """Open the connection (see ``Engine``)."""
        settings = {
            "memory_limit": f"{self.memory_limit or int(_SHARE * available_memory())}B",
            "threads": self.threads or usable_cpus(),
            "temp_directory": str(scratch),
            "preserve_insertion_order": False,  # what must be ordered says so; keeping it costs memory
            "autoinstall_known_extensions": False,  # nothing is fetched from elsewhere
        }
        with duckdb.connect(config=settings) as connection:
            yield DuckDBConnection(connection)


class DuckDBConnection:
    """The methods of ``Connection`` over one DuckDB connection."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def register(self, name: str, path: Path) -> None:
        """Make a Parquet file a relation."""
        source = parquet_source(path, row_number=True)
        with _told():
            self._connection.execute(f"CREATE VIEW {identifier(name)} AS SELECT * FROM {source}")

    def create(self, name: str, statement: str, values: Values = ()) -> None:
        """Materialise a SELECT."""
        with _told():
            self._connection.execute(f"CREATE TABLE {identifier(name)} AS {statement}", list(values))

    def drop(self, name: str) -> None:
        """Forget a created relation."""
        with _told():
            self._connection.execute(f"DROP TABLE {identifier(name)}")

    def fetch(self, statement: str, values: Values = ()) -> pa.Table:
        """The whole answer."""
        with _told():
            return self._connection.sql(statement, params=list(values)).to_arrow_table()

    def stream(self, statement: str, values: Values = ()) -> Iterator[pa.RecordBatch]:
        """The answer piece by piece."""
        with _told():
            yield from self._connection.sql(statement, params=list(values)).to_arrow_reader(_BATCH)


def available_memory() -> int:
    """Bytes: what the machine has, or its control group (a container) if that is less."""
    limits = [psutil.virtual_memory().total]
    for path in _CGROUPS:
        if path.is_file() and (text := path.read_text(encoding="ascii").strip()).isdigit():
            limits.append(int(text))
    return min(limits)


@contextmanager
def _told() -> Iterator[None]:
    """DuckDB's errors as ours."""
    try:
        yield
    except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
        raise EngineError(
            f"DuckDB: expected room in memory and in its scratch folder; found {error}. "
            "Give it more memory (DuckDB(memory_limit=...)) or free the disk beside the graph"
        ) from error
    except (duckdb.Error, pa.ArrowException) as error:
        raise StatementError(str(error)) from error
