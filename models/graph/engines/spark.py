"""Spark, in local mode or on a cluster: the same statements, translated by sqlglot.

Created relations and streamed results are Parquet files in the scratch folder, so on a cluster the tables and the
graph's parent folder must be on a file system that all executors share.
"""

import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as parquet
import sqlglot
from sqlglot import expressions
from sqlglot.tokens import TokenType

from models.graph.engine import Values
from models.graph.errors import EngineError, StatementError
from models.sql import literal, spark_identifier

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",  # a cast that fails or an overflow is an error, as in DuckDB
    "spark.sql.execution.arrow.useLargeVarTypes": "false",
    "spark.sql.parquet.compression.codec": "zstd",
}


_NO_ROOM = ("OutOfMemory", "No space left on device", "GC overhead limit", "Java heap space")


@dataclass(frozen=True)
class Spark:
    """The engine. Without ``session`` it uses the process's active session, and leaves it running.

    If there is none, one is started at ``master`` and stopped at the end.
    """

    session: "SparkSession | None" = None
    master: str = "local[*]"
    options: Mapping[str, str] = field(default_factory=dict)
    """Additional configuration of a session started here, such as ``spark.driver.memory``."""

    @contextmanager
    def connect(self, scratch: Path) -> Iterator["SparkConnection"]:
        """Open the connection (see ``Engine``) as a separate session, so that a given one is not changed."""
        running = self.session or _running()
        session = running or start(self.master, scratch, self.options)
        try:
            with _translated_errors():
                own = session.newSession()
                for name, value in _SETTINGS.items():
                    own.conf.set(name, value)
            yield SparkConnection(own, scratch)
        finally:
            if running is None:
                with _translated_errors():
                    session.stop()


def start(master: str, scratch: Path, options: Mapping[str, str]) -> "SparkSession":
    """A quiet session without web UI, with few shuffle partitions and all files under ``scratch``."""
    from pyspark.sql import SparkSession

    settings = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "ERROR",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.shuffle.partitions": "4",
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
        "spark.local.dir": str(scratch / "local"),
    }
    if not master.startswith("local"):  # remote executors must reach the driver, and need more partitions
        for name in ("spark.driver.host", "spark.driver.bindAddress", "spark.sql.shuffle.partitions"):
            del settings[name]
    builder = SparkSession.builder.master(master).appName("heliograph")
    for name, value in {**settings, **options}.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def _running() -> "SparkSession | None":
    """The active session of the process, such as a notebook's."""
    from pyspark.errors import PySparkRuntimeError
    from pyspark.sql import SparkSession

    try:
        return SparkSession.active()
    except PySparkRuntimeError:
        return None


class SparkConnection:
    """The methods of ``Connection`` over one Spark session."""

    def __init__(self, session: "SparkSession", scratch: Path) -> None:
        self._session, self._scratch = session, scratch

    def register(self, name: str, path: Path) -> None:
        """See ``Connection.register``."""
        with _translated_errors():
            rows = self._read(path)
            rows.selectExpr("*", "_metadata.row_index AS file_row_number").createOrReplaceTempView(
                spark_identifier(name)
            )

    def create(self, name: str, statement: str, values: Values = ()) -> None:
        """See ``Connection.create``."""
        with _translated_errors():
            self._run(statement, values).write.parquet(_place(self._scratch / name))
            self._read(self._scratch / name).createOrReplaceTempView(spark_identifier(name))

    def drop(self, name: str) -> None:
        """See ``Connection.drop``."""
        with _translated_errors():
            self._session.sql(f"DROP VIEW {spark_identifier(name)}")
        shutil.rmtree(self._scratch / name)

    def fetch(self, statement: str, values: Values = ()) -> pa.Table:
        """See ``Connection.fetch``."""
        with _translated_errors():
            return self._run(statement, values).toArrow()

    def stream(self, statement: str, values: Values = ()) -> Iterator[pa.RecordBatch]:
        """See ``Connection.stream``; executors write the result in order, and it is read back part by part."""
        folder = self._scratch / "stream"
        with _translated_errors():
            self._run(statement, values).write.parquet(_place(folder))
        try:
            for part in sorted(folder.glob("part-*.parquet")):
                with parquet.ParquetFile(part) as file:
                    yield from file.iter_batches()
        finally:
            shutil.rmtree(folder)

    def _read(self, path: Path) -> "DataFrame":
        """A file or folder: only its own columns (none from folders named ``key=value``), its path not as a pattern."""
        return self._session.read.option("recursiveFileLookup", "true").parquet(_pattern(path))

    def _run(self, statement: str, values: Values) -> "DataFrame":
        return self._session.sql(transpiled(statement, values))


def transpiled(statement: str, values: Values = ()) -> str:
    """Translate a statement of DuckDB's dialect to Spark SQL, with ``values`` in place of its ``?``."""
    tree = sqlglot.parse_one(_filled(statement, values), dialect="duckdb")
    for call in list(tree.find_all(expressions.Anonymous)):
        if call.name.lower() == "epoch_us":
            moment = expressions.cast(call.expressions[0], "timestamptz")
            call.replace(expressions.Anonymous(this="unix_micros", expressions=[moment]))
    return tree.sql(dialect="spark")


def _filled(statement: str, values: Values) -> str:
    tokens = sqlglot.tokenize(statement, read="duckdb")
    places = [token.start for token in tokens if token.token_type == TokenType.PLACEHOLDER]
    for place, value in reversed(list(zip(places, values, strict=True))):
        statement = statement[:place] + _literal(value) + statement[place + 1 :]
    return statement


def _literal(value: str | int | float | bool) -> str:
    if isinstance(value, str):
        return literal(value)
    if isinstance(value, float):  # as text, so that every bit is kept
        return f"CAST('{value!r}' AS DOUBLE)"
    return str(value)


def _place(path: Path) -> str:
    """The path as a URL for Spark's writer, so that its default file system does not matter.

    Spark takes the URL literally: nothing in it is percent-encoded.
    """
    return f"file://{Path(path).absolute()}"


def _pattern(path: Path) -> str:
    """The path as a pattern for Spark's reader, with special characters escaped by a backslash."""
    return re.sub(r"([*?\[\]{}\\])", r"\\\1", _place(path))


@contextmanager
def _translated_errors() -> Iterator[None]:
    """Raise EngineError or StatementError for Spark's errors."""
    from py4j.protocol import Py4JError, Py4JJavaError
    from pyspark.errors import PySparkException

    try:
        yield
    except (PySparkException, Py4JJavaError) as error:
        text = str(error)
        message = text.split("\n\tat ")[0]
        if any(sign in text for sign in _NO_ROOM):
            raise EngineError(
                f"Spark: expected room in memory and in its local folders; found {message}. "
                "Give it more memory (spark.driver.memory, spark.executor.memory) or free the disk"
            ) from error
        raise StatementError(message) from error
    except (Py4JError, ConnectionError) as error:  # not thrown by Java: the Java process is gone
        raise EngineError(
            f"Spark: expected a running Java process; found {error!r}. See its log, often it had too little memory"
        ) from error
