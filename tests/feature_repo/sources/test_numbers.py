"""Numbers that float32 would change are refused, with table, column and row."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from feature_repo.sources import read_table
from feature_repo.sources.errors import SourceError
from feature_repo.sources.ingest import ingest
from tests.feature_repo.sources.fakes import install_adapter, small_spec, small_tables

UNIX = 1_700_000_000
Change = Callable[[dict[str, pd.DataFrame]], object]


def ingested(patch: pytest.MonkeyPatch, folder: Path, table: str, column: str, values: object) -> list:
    """The column after an ingest of the small tables with ``values`` in it."""
    tables = small_tables()
    tables[table][column] = values
    install_adapter(patch, lambda spec, data: tables)
    ingest(small_spec(), None, folder / "tables")
    return read_table(folder / "tables", table)[column].tolist()


@pytest.mark.parametrize(
    ("table", "column", "values", "message"),
    [
        ("members", "age", [UNIX, UNIX + 1], "members, column age: .*1700000001 in row 1, which float32 rounds"),
        ("members", "age", [UNIX + 0.5, UNIX + 1.5], "rows 0 and 1: of 2 different numbers .* leaves 1"),
        ("members", "age", pd.array([None, 2**24 + 1], "Int64"), "found 16777217 in row 1"),
        ("members", "age", pd.array([2**24 + 1, None], pd.ArrowDtype(pa.int64())), "found 16777217 in row 0"),
        ("members", "age", np.array([1, 2**64 - 1], np.uint64), "found 18446744073709551615 in row 1"),
        ("members", "age", [1.0, 1e39], "found 1e.39 in row 1, which is infinite as float32"),
        ("members", "age", [np.nan, -np.inf], "column age: expected finite numbers or nulls; found -inf in row 1"),
        ("members", "age", [1 + 2j, 2], r"column age: expected real numbers; found complex128 such as \(1.2j\)"),
        ("members", "age", [Decimal(1), Decimal("2.5")], "expected numbers; found object: Decimal .* in row 0"),
        ("members", "age", [1, "2"], "expected numbers; found object: int 1 in row 0, str '2' in row 1"),
        ("members", "age", pd.to_datetime(["2026-01-01"] * 2, utc=True), "expected numbers; found datetime64"),
        ("members", "job", [1, "1"], "column job: expected strings; found object: int 1 in row 0, str '1' in row 1"),
        ("members", "taste", [[2**24 + 1, 2], [3, 4]], "taste, component 0: .* found 16777217 in row 0"),
        ("members", "taste", [[1.0, 1e39], [1.0, 2.0]], "taste, component 1: .* found 1e.39 in row 0"),
        ("members", "taste", [[1j, 2], [3, 4]], "column taste: expected vectors of 2 numbers; found 1 rows"),
        ("members", "taste", [np.ma.masked_array([1, 2], [0, 1])] * 2, "taste: expected vectors of 2 numbers"),
        ("impressions", "hour", [UNIX + row for row in range(4)], "impressions, column hour: .* survive as float32"),
        ("impressions", "seconds", [1j] * 4, "impressions, column seconds: expected real numbers; found complex128"),
        ("follows", "strength", [np.inf, 1, 1], "follows, column strength: expected weights that are finite"),
        ("follows", "strength", [1e-50, 1, 1], "follows, column strength: .* above 0 as float32 .* such as 1e-50"),
        ("follows", "strength", [1j, 1, 1], "column strength: expected real numbers; found complex128"),
    ],
)
def test_a_number_that_does_not_survive_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, table: str, column: str, values: object, message: str
) -> None:
    with pytest.raises(SourceError, match=message):
        ingested(monkeypatch, tmp_path, table, column, values)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("column", "values", "kept"),
    [
        ("age", [-0.0, 19.99], [-0.0, float(np.float32(19.99))]),
        ("age", pd.array([True, None], "boolean"), [1.0, None]),
        ("age", pd.array([2**25, None], "Int64"), [2.0**25, None]),
        ("age", pd.array([0.5, None], pd.ArrowDtype(pa.float64())), [0.5, None]),
        ("age", np.array([2**63, 1], np.uint64), [2.0**63, 1.0]),
        ("age", [None, None], [None, None]),
        ("taste", [[2**25, 2], [0.5, 4]], [[2**25, 2], [0.5, 4]]),
        ("taste", pd.array([[1.0, 2.0], [3.0, 4.0]], pd.ArrowDtype(pa.list_(pa.float64()))), [[1, 2], [3, 4]]),
        ("taste", [None, np.array([1, 2], ">f8")], [None, [1, 2]]),
    ],
)
def test_a_number_of_any_type_that_does_is_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, column: str, values: object, kept: list
) -> None:
    found = ingested(monkeypatch, tmp_path, "members", column, values)
    plain = [value.tolist() if isinstance(value, np.ndarray) else value for value in found]
    assert [None if value is None or value != value else value for value in plain] == kept


def twice(tables: dict[str, pd.DataFrame]) -> None:
    tables["members"] = pd.concat([tables["members"], tables["members"][["age"]]], axis=1)


def numbered(tables: dict[str, pd.DataFrame]) -> None:
    tables["members"][5] = 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (twice, "table members: expected each column once; found 'age' 2 times"),
        (numbered, "table members: expected strings as column names; found 5"),
        (lambda tables: tables.update(members=[1]), "table members: expected a pandas DataFrame; found list"),
    ],
)
def test_a_table_that_is_no_plain_frame_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, change: Change, message: str
) -> None:
    tables = small_tables()
    change(tables)
    install_adapter(monkeypatch, lambda spec, data: tables)
    with pytest.raises(SourceError, match=message):
        ingest(small_spec(), None, tmp_path / "tables")
