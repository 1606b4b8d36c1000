"""Engines: the same statements, the same graph, to the digest; on a real Spark in local mode."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from py4j.protocol import Py4JError, Py4JJavaError, Py4JNetworkError
from pyspark.errors import PySparkException

from models.graph.build import build_graph
from models.graph.derive import derive, weigh_by_common_neighbours
from models.graph.engine import Connection, Engine
from models.graph.engines import spark
from models.graph.engines.duckdb import DuckDB
from models.graph.engines.spark import Spark, SparkConnection, transpiled
from models.graph.errors import EngineError, GraphInputError, StatementError
from tests.models.graph.derived import HandWritten, relations
from tests.models.graph.derived import spec as derived_spec
from tests.models.graph.product import HOUR, ROWS, START, shown, spec, write_product

pytestmark = pytest.mark.long(30)

ENGINES = ("duckdb", "spark")


@pytest.fixture(params=ENGINES)
def connected(request: pytest.FixtureRequest, engines: dict[str, Engine], tmp_path: Path) -> Iterator[Connection]:
    with engines[request.param].connect(tmp_path) as connection:
        yield connection


def test_both_engines_give_the_same_graph(engines: dict[str, Engine], tmp_path: Path) -> None:
    rows: dict[str, list[dict[str, Any]]] = {
        "impressions": [
            *ROWS["impressions"],
            shown(14, -3, "ä'\\", -1e6, 1, worth=0.1),  # before 1970, and a key that needs quoting
            *(shown(20 + place, 10, "abc"[place % 3], 2, 1, worth=0.5) for place in range(9)),  # ties and repeats
        ]
    }
    given = write_product(tmp_path, rows)
    path = given[0] / "impressions.parquet"
    table = parquet.read_table(path)
    weights = [*table["worth"].to_pylist()[:-3], 1e39, 1e-50, math.nan]  # too large and too small for a float32
    place = table.schema.get_field_index("worth")
    parquet.write_table(table.set_column(place, "worth", pa.array(weights, pa.float64())), path)
    one, two = (build_graph(spec(), *given, tmp_path / name, engines[name]) for name in ENGINES)
    assert one == two
    assert one["dropped"]["edges"]["clicked"]["bad_weight"] == 4
    for name, digest in one["files"].items():
        assert two["files"][name] == digest
    assert sorted(path.name for path in tmp_path.iterdir()) == ["duckdb", "spark", "tables", "training_set"]


def test_statements_mean_the_same(connected: Connection, tmp_path: Path) -> None:
    moments = pa.array([START, -1, None, START], pa.timestamp("us"))
    table = pa.table(
        {"key": [3, 1, None, 2], "time": moments, "text": ["a'\\", "?", None, "ä"], "x": [0.1, None, 2, 3]}
    )
    parquet.write_table(table, tmp_path / "file.parquet")
    connected.register("a file", tmp_path / "file.parquet")
    connected.create("good", 'SELECT *, epoch_us("time") AS moment FROM "a file" WHERE key IS NOT NULL')
    assert connected.fetch("SELECT file_row_number AS row, moment FROM good ORDER BY row").to_pylist() == [
        {"row": 0, "moment": START},
        {"row": 1, "moment": -1},
        {"row": 3, "moment": START},
    ]
    statement = (
        "SELECT CAST(sum(key) AS BIGINT) AS total, arg_min(text, key) AS first FROM good WHERE text IN (?, ?, ?)"
    )
    assert connected.fetch(statement, ["a'\\", "?", "none"]).to_pylist() == [{"total": 4, "first": "?"}]
    assert connected.fetch("SELECT key FROM good WHERE x = ? ORDER BY key", [0.1])["key"].to_pylist() == [3]
    batches = connected.stream("SELECT key, x FROM good ORDER BY x, key")
    assert [row for batch in batches for row in batch.to_pylist()] == [
        {"key": 3, "x": 0.1},
        {"key": 2, "x": 3.0},
        {"key": 1, "x": None},  # nulls last
    ]
    assert sum(batch.num_rows for batch in connected.stream("SELECT key FROM good WHERE false ORDER BY key")) == 0
    connected.drop("good")
    connected.create("good", 'SELECT key FROM "a file"')
    assert connected.fetch("SELECT count(*) AS rows FROM good").to_pylist() == [{"rows": 4}]


@pytest.mark.parametrize(
    "wrong",
    ["SELECT missing FROM numbers", "SELECT CAST('x' AS BIGINT) AS x", "SELECT CAST(3000000000 AS INTEGER) AS x"],
)
def test_what_cannot_be_computed_is_an_error(connected: Connection, wrong: str) -> None:
    connected.create("numbers", "SELECT 1 AS number")
    with pytest.raises(StatementError):
        connected.fetch(wrong)
    with pytest.raises(StatementError):
        list(connected.stream(wrong))


def test_a_session_that_runs_is_taken_and_left_running(engines: dict[str, Engine], tmp_path: Path) -> None:
    shared = engines["spark"]
    assert isinstance(shared, Spark)
    assert shared.session is not None
    with Spark(master="nowhere").connect(tmp_path) as connection:
        assert connection.fetch("SELECT 1 AS one").to_pylist() == [{"one": 1}]
    assert shared.session.range(3).count() == 3


def test_a_session_that_was_started_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = MagicMock()
    monkeypatch.setattr(spark, "_running", lambda: None)
    monkeypatch.setattr(spark, "start", lambda *_: session)
    with Spark().connect(tmp_path):
        session.stop.assert_not_called()
    session.stop.assert_called_once_with()


def java_error(text: str) -> Py4JJavaError:
    """What py4j raises for an exception of Java, which it asks over its gateway for the trace."""
    exception = MagicMock(_target_id="o1")
    exception._gateway_client.send_command.return_value = "ys" + text
    return Py4JJavaError("An error occurred while calling o1.parquet.\n", exception)


@pytest.mark.parametrize(
    ("raised", "kind", "message"),
    [
        (java_error("java.lang.OutOfMemoryError: Java heap space"), EngineError, "spark.driver.memory"),
        (java_error("Job aborted\\nCaused by: No space left on device"), EngineError, "free the disk"),
        (java_error("java.lang.ArithmeticException"), StatementError, "Arithmetic"),
        (PySparkException("SparkOutOfMemoryError: no 64 bytes"), EngineError, "spark.executor.memory"),
        (PySparkException("no such column"), StatementError, "no such column"),
        (Py4JNetworkError("Answer from Java side is empty"), EngineError, "a running Java process"),
        (Py4JError("An error occurred while calling o1.sql"), EngineError, "a running Java process"),
        (ConnectionRefusedError(), EngineError, "a running Java process"),
    ],
)
def test_spark_tells_want_of_room_from_a_wrong_statement(
    tmp_path: Path, raised: Exception, kind: type[Exception], message: str
) -> None:
    session = MagicMock()
    session.sql.side_effect = raised
    with pytest.raises(kind, match=message):
        SparkConnection(session, tmp_path).fetch("SELECT 1")


def test_tables_that_do_not_fit_leave_no_trace(tmp_path: Path) -> None:
    tables, training_set = write_product(tmp_path)
    path = tables / "impressions.parquet"
    table = parquet.read_table(path)
    place = table.schema.get_field_index("worth")
    parquet.write_table(table.set_column(place, "worth", pa.array(["dear"] * len(table))), path)
    with pytest.raises(GraphInputError, match="expected tables that fit the spec"):
        build_graph(spec(), tables, training_set, tmp_path / "graph")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["tables", "training_set"]


def test_values_are_put_in_where_they_belong() -> None:
    statement = "SELECT '?' AS a, \"b?\" FROM t WHERE x IN (?, ?) AND epoch_us(time) < ? /* ? */"
    assert transpiled(statement, ["o'\\n", True, 5]).split(" /*")[0] == (
        "SELECT '?' AS a, `b?` FROM t WHERE x IN ('o\\'\\\\n', TRUE) AND UNIX_MICROS(CAST(time AS TIMESTAMP)) < 5"
    )


def test_duckdb_spills_instead_of_growing_and_tells_when_it_cannot(tmp_path: Path) -> None:
    rows = 500_000
    table = pa.table({"key": pa.array(range(rows)), "text": pa.array([f"{place:032d}" for place in range(rows)])})
    parquet.write_table(table, tmp_path / "file.parquet")
    with DuckDB(memory_limit=30_000_000, threads=1).connect(tmp_path) as connection:
        connection.register("file", tmp_path / "file.parquet")
        connection.create("copy", "SELECT * FROM file")
        ordered = connection.stream("SELECT key FROM copy ORDER BY text DESC, key")
        keys = np.concatenate([batch["key"].to_numpy() for batch in ordered])
        assert (keys == np.arange(rows)[::-1]).all()
    with DuckDB(memory_limit=1_000_000, threads=1).connect(tmp_path) as connection:
        connection.register("file", tmp_path / "file.parquet")
        with pytest.raises(EngineError, match="memory_limit"):
            connection.create("copy", "SELECT * FROM file")


def test_weighing_keeps_attributes(connected: Connection, tmp_path: Path) -> None:
    rows = "(0, 1, 5, 0, 7), (1, 2, 6, 1, 8), (0, 2, 7, 2, 9)"
    connected.create(
        "edge_knows",
        "SELECT source, target, time, row, CAST(1 AS FLOAT) AS weight, how AS attribute_how "
        f"FROM (VALUES {rows}) AS given(source, target, time, row, how)",
    )
    weigh_by_common_neighbours(HandWritten(connected, tmp_path), "knows", ["how"])
    found = connected.fetch('SELECT weight, attribute_how AS how FROM "edge_knows" ORDER BY row').to_pylist()
    assert found == [{"weight": 0, "how": 7}, {"weight": 0, "how": 8}, {"weight": 1, "how": 9}]


def test_both_engines_derive_the_same(engines: dict[str, Engine]) -> None:
    """Affinities and weights by common neighbours: integers equal, weights to 1e-6."""
    day, random = 24 * HOUR, np.random.default_rng(0)
    events = {
        "clicked": [(*random.integers(0, [3, 6]).tolist(), day * int(random.integers(-5, 9))) for _ in range(60)],
        "made_by": [(item, item % 3, day * int(random.integers(-9, 5))) for item in range(6)],
        "knows": [(*random.integers(0, [6, 6]).tolist(), int(random.integers(-2, 4))) for _ in range(30)],
    }
    found = {}
    for engine in ENGINES:
        with relations(events, engine=engines[engine]) as written:
            weigh_by_common_neighbours(written, "knows")
            derive(written, derived_spec(), "fan_of")
            found[engine] = [*written.rows("fan_of"), *written.rows("knows")]
    one, two = (np.array(found[engine]) for engine in ENGINES)
    assert len(one) > 35
    assert (one[:, 3] > 0).sum() > 20
    np.testing.assert_array_equal(one[:, :3], two[:, :3])
    np.testing.assert_allclose(one[:, 3], two[:, 3], atol=1e-6)


@pytest.mark.parametrize("place", ["clicked=0/day=2024-01-01", "a b%20c [1]{x}*?"])
def test_a_path_says_nothing_of_the_rows(connected: Connection, tmp_path: Path, place: str) -> None:
    (tmp_path / place).mkdir(parents=True)
    parquet.write_table(pa.table({"clicked": [1, 2], "filename": ["a", "b"]}), tmp_path / place / "x.parquet")
    connected.register("shown", tmp_path / place / "x.parquet")
    rows = connected.fetch('SELECT * FROM "shown" ORDER BY file_row_number')
    assert rows.to_pylist() == [
        {"clicked": 1, "filename": "a", "file_row_number": 0},
        {"clicked": 2, "filename": "b", "file_row_number": 1},
    ]
