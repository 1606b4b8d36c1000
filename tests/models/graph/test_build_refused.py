"""A build refuses tables that do not fit the spec, and names what is wrong."""

import errno
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from models.graph.build import build_graph
from models.graph.errors import EngineError, GraphInputError
from models.graph.store import TemporalGraph
from tests.models.graph.product import HOUR, START, TIME, spec, write_product
from tests.models.graph.test_build import rewritten


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("tables/follows", "ingest, retrieve"),
        ("training_set/frozen", "found none"),
        ("training_set/versions_item", "none"),
    ],
)
def test_a_missing_file_is_named(tmp_path: Path, file: str, message: str) -> None:
    tables, training_set = write_product(tmp_path)
    (tmp_path / f"{file}.parquet").unlink()
    with pytest.raises(GraphInputError, match=message) as error:
        build_graph(spec(), tables, training_set, tmp_path / "graph")
    assert f"{file}.parquet" in str(error.value)
    assert not (tmp_path / "graph").exists()


@pytest.mark.parametrize(
    ("file", "column", "values", "message"),
    [
        ("tables/follows", "time", None, "expected column 'time'"),
        ("training_set/impressions", "surface", pa.array(["push"] * 5 + ["fax"]), "push, email; found fax"),
        ("training_set/impressions", "window", pa.array(["train"] * 5 + ["late"]), "found late"),
        ("training_set/impressions", "window", pa.array(["test"] * 6), "each row in the window of its time; found"),
        (
            "training_set/impressions",
            "settled_time",
            pa.array([START] * 6, TIME),
            "settled_time at or after time; found",
        ),
        ("training_set/impressions", "clicked", pa.array([0, 1, 2, 0, 0, 0]), "tasks.click: expected outcomes"),
        ("training_set/impressions", "clicked", pa.array(range(6)), r"found \[0\.0, 1\.0, 2\.0, 3\.0, 4\.0\]$"),
        (
            "training_set/impressions",
            "settled_time",
            pa.array([None] * 6, TIME),
            "a settled in every row; found 6 nulls",
        ),
        ("training_set/versions_member", "industry", None, "expected column 'industry'"),
        ("training_set/frozen", "hour_slot", None, "expected column 'hour_slot'"),
        ("training_set/impressions", "impression_id", pa.array([8, 8, 9, 10, 11, 12]), "each key once"),
        ("training_set/frozen", "impression_id", pa.array([8, 9, 10, 11, 12, 99]), "found 1 missing"),
        ("training_set/frozen", "frozen_time", None, "expected column 'frozen_time'"),
        ("training_set/frozen", "frozen_time", pa.array([START + 9_000 * HOUR] * 6, TIME), "found 6 rows after"),
        ("training_set/versions_item", "topics", pa.array([[1.0], [1.0, 2.0]]), r"vectors of 2.*\[1, 2\]"),
        ("training_set/versions_item", "topics", pa.array([1.0, 2.0]), "expected lists of float32"),
        ("training_set/versions_member", "age", pa.array(["old"] * 5), "feature 'age': expected numbers"),
        ("training_set/versions_member", "age", pa.array(["1"] * 5), "feature 'age': expected numbers; found string"),
        ("training_set/versions_member", "age", pa.array([1.7e9 + n for n in range(5)]), "found 1700000001.0 in row 1"),
        ("training_set/versions_member", "age", pa.array([None, 1, 2, 3, 2**24 + 1]), "found 16777217 in row 4"),
        ("training_set/versions_item", "topics", pa.array([[1.0, 2.0], [1.0, 1e39]]), "1e.39 in row 3, .* infinite"),
        (
            "training_set/versions_member",
            "member_id",
            pa.array(["x"] * 5),
            "expected keys, whole numbers; found str",
        ),
    ],
)
def test_tables_that_do_not_fit_are_refused(
    tmp_path: Path, file: str, column: str, values: pa.Array | None, message: str
) -> None:
    tables, training_set = write_product(tmp_path)
    rewritten(tmp_path / f"{file}.parquet", column, values)
    with pytest.raises(GraphInputError, match=message):
        build_graph(spec(), tables, training_set, tmp_path / "graph")
    assert not (tmp_path / "graph").exists()


def far(value: int, unit: str) -> pa.Array:
    return pa.array([value, None, 0, 0], pa.timestamp(unit, tz="UTC"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (pa.array([1.0, float("nan"), 3.0, 4.0]), r"column 'time': expected timestamps of microseconds.*found double"),
        (pa.array(["2026-01-01"] * 4), "column 'time': expected timestamps.*found string"),
        (pa.array([1, 2, 3, 4]), "column 'time': expected timestamps.*found int64"),
        (far(5, "ns"), r"column 'time': expected timestamps.*found timestamp\[ns"),
        (far(2**62, "ms"), "column 'time': expected moments within.*found 4611686018427387904 ms"),
        (far(-(2**62), "us"), "column 'time': expected moments within.*found -4611686018427387904 us"),
        (far(2**63 - 1, "us"), "column 'time': expected moments within"),  # which DuckDB takes for infinity
    ],
)
@pytest.mark.parametrize("statistics", [True, False])
def test_times_that_are_none_are_refused(tmp_path: Path, values: pa.Array, message: str, statistics: bool) -> None:
    tables, training_set = write_product(tmp_path)
    path = tables / "follows.parquet"
    table = parquet.read_table(path)
    changed = table.set_column(table.schema.get_field_index("time"), "time", values)
    parquet.write_table(changed, path, write_statistics=statistics)
    with pytest.raises(GraphInputError, match=message) as error:
        build_graph(spec(), tables, training_set, tmp_path / "graph")
    assert str(path) in str(error.value)


def test_milliseconds_and_moments_before_1970_are_legal(tmp_path: Path) -> None:
    tables, training_set = write_product(tmp_path)
    rewritten(tables / "follows.parquet", "time", pa.array([-5, -5, -7000, 0], pa.timestamp("ms")))
    build_graph(spec(), tables, training_set, tmp_path / "graph")
    graph = TemporalGraph.load(tmp_path / "graph")
    assert graph.edges["follows"].time.tolist() == [-5_000, -7_000_000]
    assert graph.manifest["dropped"]["edges"]["follows"]["duplicate"] == 1


def test_a_damaged_table_is_named(tmp_path: Path) -> None:
    tables, training_set = write_product(tmp_path)
    (tables / "follows.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(GraphInputError, match=r"follows\.parquet: expected a Parquet file"):
        build_graph(spec(), tables, training_set, tmp_path / "graph")


def test_a_full_disk_is_reported_with_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    tables, training_set = write_product(tmp_path)
    monkeypatch.setattr("models.graph.writer.os.pwrite", full)
    with pytest.raises(EngineError, match=r"graph: expected .* room on its disk; found .*No space left on device"):
        build_graph(spec(), tables, training_set, tmp_path / "graph")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tables", "training_set"]
