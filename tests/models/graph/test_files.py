"""Checks of single Parquet files: names, keys, times at their limits, and numbers across row groups."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from models.graph.errors import GraphInputError
from models.graph.files import check_keys, check_numbers, check_times, column_types

MOST = 2**62


def written(folder: Path, columns: dict[str, pa.Array], **how: Any) -> Path:
    parquet.write_table(pa.table(columns), folder / "one.parquet", **how)
    return folder / "one.parquet"


def test_columns_are_reported_with_their_types(tmp_path: Path) -> None:
    path = written(tmp_path, {"a": pa.array([1]), "b": pa.array(["x"])})
    assert column_types(path, ["b"]) == {"a": pa.int64(), "b": pa.string()}
    with pytest.raises(GraphInputError, match=r"expected column 'c', which the spec names; found a, b\. Was it"):
        column_types(path, ["a", "c"])


@pytest.mark.parametrize("names", [["a", "A"], ["a", "file_row_number"]])
def test_names_that_sql_cannot_tell_apart_are_refused(tmp_path: Path, names: list[str]) -> None:
    path = written(tmp_path, {name: pa.array([1]) for name in names})
    with pytest.raises(GraphInputError, match=r"one\.parquet: expected columns"):
        column_types(path, ["a"])


STRINGS = [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())]


@pytest.mark.parametrize("kind", STRINGS, ids=str)
def test_text_is_a_key_of_text_only(tmp_path: Path, kind: pa.DataType) -> None:
    path = written(tmp_path, {"key": pa.array(["a", None]).cast(kind)})
    check_keys(path, "key", "string")
    with pytest.raises(GraphInputError, match="column 'key': expected keys, whole numbers; found"):
        check_keys(path, "key", "int")


@pytest.mark.parametrize("key_type", ["int", "string"])
def test_whole_numbers_are_keys_and_fractions_are_not(tmp_path: Path, key_type: str) -> None:
    for values in (pa.array([1, None], pa.int16()), pa.array([None], pa.null()), pa.array([7]).dictionary_encode()):
        check_keys(written(tmp_path, {"key": values}), "key", key_type)
    expected = "expected keys, whole numbers" if key_type == "int" else "expected keys, text or whole numbers"
    with pytest.raises(GraphInputError, match=f"{expected}; found double"):
        check_keys(written(tmp_path, {"key": pa.array([1.0])}), "key", key_type)


@pytest.mark.parametrize(("unit", "last"), [("us", MOST - 1), ("ms", (MOST - 1) // 1000)])
@pytest.mark.parametrize("statistics", [True, False])
def test_the_last_moments_are_legal_and_the_next_are_not(
    tmp_path: Path, unit: str, last: int, statistics: bool
) -> None:
    def check(*moments: int | None) -> None:
        column = pa.array(moments, pa.timestamp(unit))
        path = written(tmp_path, {"name": pa.array(["x"] * len(moments)), "time": column}, write_statistics=statistics)
        check_times(path, ["time"])

    check(last, -last, None)
    for moment in (last + 1, -last - 1):
        with pytest.raises(GraphInputError, match=f"'time': expected moments within {MOST} .*; found {moment} {unit}"):
            check(0, moment)


@pytest.mark.parametrize("statistics", [True, False])
def test_times_that_are_all_missing_are_legal(tmp_path: Path, statistics: bool) -> None:
    column = pa.array([None, None], pa.timestamp("us"))
    check_times(written(tmp_path, {"time": column}, write_statistics=statistics), ["time"])


def test_the_row_of_a_number_counts_all_row_groups(tmp_path: Path) -> None:
    exact = pa.array([0.5] * 5, pa.float32())
    bad = pa.array([1, None, 2, 2**24 + 1, 3])
    path = written(tmp_path, {"other": bad, "exact": exact, "flag": pa.array([True] * 5), "n": bad}, row_group_size=2)
    check_numbers(path, ["exact", "flag"])
    with pytest.raises(GraphInputError, match=r"feature 'n': .* found 16777217 in row 3, which float32 rounds"):
        check_numbers(path, ["exact", "n"])


@pytest.mark.parametrize("kind", [pa.list_, pa.large_list, lambda value: pa.list_(value, 2)])
def test_vectors_of_every_kind_of_list_are_checked(tmp_path: Path, kind: Any) -> None:
    check_numbers(written(tmp_path, {"v": pa.array([[1.0, 2.0]], kind(pa.float64()))}), ["v"])
    with pytest.raises(GraphInputError, match=r"feature 'v': .* found 1e.39 in row 1, which is infinite"):
        check_numbers(written(tmp_path, {"v": pa.array([[1.0, 1e39]], kind(pa.float64()))}), ["v"])
    with pytest.raises(GraphInputError, match="feature 'v': expected numbers; found"):
        check_numbers(written(tmp_path, {"v": pa.array([["a", "b"]], kind(pa.string()))}), ["v"])


@pytest.mark.parametrize("values", [pa.array([1, 2]), pa.array([True, None]), pa.array([0.5]), pa.array([None])])
def test_numbers_of_every_kind_are_legal(tmp_path: Path, values: pa.Array) -> None:
    check_numbers(written(tmp_path, {"n": values}), ["n"])
