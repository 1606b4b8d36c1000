"""Rows between two times to the unit, keys that Feast would round, and files that do not fit each other."""

from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feature_repo.stores.errors import RetrievalInputError
from feature_repo.stores.offline.engine import Bounds, connected
from feature_repo.stores.offline.location import Location
from feature_repo.stores.offline.parquet import parquet_table
from feature_repo.stores.offline.pull import Pull, all_rows, latest_rows, versions

BOUNDS = Bounds("300MB", 1)
FIRST, LAST = 1_700_000_000_000_000, 1_700_000_000_000_500


def pull(path: Path, keys: tuple[str, ...] = ("key",), created: str | None = None, **bounds: int | None) -> Pull:
    first, last = bounds.get("first"), bounds.get("last")
    return Pull(Location(str(path)), keys, (*keys, "value"), "at", created, first, last)


def write(path: Path, **columns: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = len(next(iter(columns.values())))
    defaults = {"at": pa.array([FIRST] * rows, pa.timestamp("us")), "value": list(range(rows))}
    pq.write_table(pa.table({**defaults, **columns}), path)
    return path


@pytest.mark.parametrize("unit", ["us", "ns"])
@pytest.mark.parametrize("rows", [all_rows, versions])
def test_both_times_are_included_to_the_unit(tmp_path: Path, unit: str, rows: Any) -> None:
    scale = 1000 if unit == "ns" else 1
    times = [FIRST * scale - 1, FIRST * scale, LAST * scale, LAST * scale + 1]
    path = write(tmp_path / "x.parquet", key=[1, 2, 3, 4], at=pa.array(times, pa.timestamp(unit)))
    with connected(BOUNDS) as connection:
        for first, last, values in ((FIRST, LAST, [1, 2]), (None, LAST, [0, 1, 2]), (FIRST, None, [1, 2, 3])):
            found = rows(connection, pull(path, first=first, last=last))
            assert found.column_names == ["key", "value"]
            assert found["value"].to_pylist() == values
            latest = latest_rows(connection, pull(path, (), first=first, last=last))
            assert latest["value"].to_pylist() == values[-1:]
        assert rows(connection, pull(path)).num_rows == 4


def test_versions_differ_by_created_time_to_the_nanosecond(tmp_path: Path) -> None:
    made = pa.array([5, 5, 6, None, None], pa.timestamp("ns"))
    path = write(tmp_path / "x.parquet", key=[1] * 5, made=made)
    with connected(BOUNDS) as connection:
        assert versions(connection, pull(path, created="made"))["value"].to_pylist() == [1, 2, 4]
        assert latest_rows(connection, pull(path, created="made"))["value"].to_pylist() == [2]
        assert versions(connection, pull(path))["value"].to_pylist() == [4]
        with pytest.raises(RetrievalInputError, match="expected a timestamp in column 'value'; found BIGINT"):
            all_rows(connection, pull(path, created="value"))


@pytest.mark.parametrize(("kind", "digits", "name"), [(pa.float32(), 24, "FLOAT"), (pa.float64(), 53, "DOUBLE")])
@pytest.mark.parametrize("rows", [latest_rows, versions])
def test_float_keys_are_whole_and_below_their_last_digit(
    tmp_path: Path, kind: pa.DataType, digits: int, name: str, rows: Any
) -> None:
    limit, path = 2**digits, tmp_path / "x.parquet"
    with connected(BOUNDS) as connection:
        write(path, other=[1, 2, 3], key=pa.array([limit - 1, 1 - limit, 7], kind))
        assert rows(connection, pull(path, ("other", "key"))).num_rows == 3
        for wrong, shown in ((limit, f"{float(limit)}"), (-limit, f"{float(-limit)}"), (7.5, "7.5")):
            write(path, other=[1, 2], key=pa.array([1, wrong], kind))
            message = f"x.parquet, key 'key': expected whole numbers, below {limit} as {name}; found {shown}. Write it"
            with pytest.raises(RetrievalInputError, match=message):
                rows(connection, pull(path, ("other", "key")))
        write(path, other=[1, 2], key=[True, False])
        with pytest.raises(RetrievalInputError, match="as BOOLEAN; found True"):
            rows(connection, pull(path, ("other", "key")))


def test_a_column_may_lack_in_one_of_two_files(tmp_path: Path) -> None:
    write(tmp_path / "x" / "a.parquet", key=[1], extra=[5])
    write(tmp_path / "x" / "b.parquet", key=[2])
    location = Location(str(tmp_path / "x"))
    with connected(BOUNDS) as connection:
        table = parquet_table(connection, location)
        table.check(["extra"], ["at"], ["key"])
        rows = connection.execute(f"SELECT key, extra FROM {table.sql} ORDER BY key").fetchall()
        assert rows == [(1, 5), (2, None)]
        assert (table.kinds["extra"], table.types_of("extra")) == ("BIGINT", [pa.int64()])
        assert "union_by_name = True" in table.sql
        one = parquet_table(connection, Location(str(tmp_path / "x" / "a.parquet")))
        assert "union_by_name = False" in one.sql
        with pytest.raises(
            RetrievalInputError, match=r"expected column 'extra' in every file; found none in .*b\.parq"
        ):
            table.check([], ["at"], ["extra"])


def test_types_are_named_with_their_files(tmp_path: Path) -> None:
    write(tmp_path / "x" / "a.parquet", key=[1])
    write(tmp_path / "x" / "b.parquet", key=[1.0])
    write(tmp_path / "x" / "c.parquet", key=[1.0])
    message = r"column 'key': expected one type in all files; found int64 in .*a\.parquet, double in .*b\.parquet: "
    with connected(BOUNDS) as connection, pytest.raises(RetrievalInputError, match=message):
        all_rows(connection, pull(tmp_path / "x"))


def test_a_name_that_comes_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    columns = [pa.array([1]), pa.array([FIRST], pa.timestamp("us")), pa.array([2]), pa.array([3])]
    pq.write_table(pa.Table.from_arrays(columns, ["key", "at", "value", "value"]), path)
    with connected(BOUNDS) as connection:
        with pytest.raises(RetrievalInputError, match=r"expected one column 'value'; found value \(twice\)"):
            all_rows(connection, pull(path))
        write(path, key=[1], file_row_number=[1], FILE_INDEX=[1])
        with pytest.raises(
            RetrievalInputError, match=r"which DuckDB adds to a file; found file_row_number\. Rename it"
        ):
            all_rows(connection, pull(path))


def test_files_that_duckdb_cannot_read_are_named(tmp_path: Path) -> None:
    class Failing:
        def execute(self, statement: str) -> None:
            raise duckdb.IOException("gone")

    path, failing = write(tmp_path / "x.parquet", key=[1]), Failing()
    with pytest.raises(RetrievalInputError, match=r"x\.parquet: expected Parquet files; found none .* \(gone\)"):
        parquet_table(failing, Location(str(path)))
    path.write_bytes(b"PAR1")
    with connected(BOUNDS) as connection, pytest.raises(RetrievalInputError, match="found none that can be read"):
        parquet_table(connection, Location(str(path)))
