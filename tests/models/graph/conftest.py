"""Both engines, shared by the tests of the graph: a Spark session takes seconds to start."""

from collections.abc import Iterator

import pytest

from models.graph.engine import Engine
from models.graph.engines.duckdb import DuckDB
from models.graph.engines.spark import Spark, start


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Engine]]:
    """Both engines; one Spark session for all tests."""
    quick = {  # nothing here is large
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.codegen.wholeStage": "false",
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m -XX:+UseSerialGC",
    }
    session = start("local[2]", tmp_path_factory.mktemp("spark"), quick)
    yield {"duckdb": DuckDB(), "spark": Spark(session)}
    session.stop()
