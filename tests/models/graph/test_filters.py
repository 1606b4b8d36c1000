"""A filter keeps the same rows as a mask in memory and as SQL over the table's file."""

from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.filters import condition, impossible, mask

VALUES = st.sampled_from([True, False, 0, 1, 2, -3, 2**53 + 1, 2**70, 0.5, 0.1, 1.0, "1", "a", "true", "", "1.0"])
COLUMNS = {
    pa.string(): st.sampled_from(["1", "a", "true", "", "1.0", None]),
    pa.dictionary(pa.int32(), pa.string()): st.sampled_from(["1", "a", None]),
    pa.bool_(): st.sampled_from([True, False, None]),
    pa.int64(): st.sampled_from([0, 1, 2, -3, 2**53 + 1, 2**53]),
    pa.int8(): st.sampled_from([0, 1, 2, None]),
    pa.float32(): st.sampled_from([0.0, 1.0, 0.5, 0.1, None]),
    pa.float64(): st.sampled_from([0.0, 1.0, 0.5, 0.1, float("nan")]),
    pa.timestamp("us", tz="UTC"): st.sampled_from([0, 1, None]),
}
FILTERS = st.lists(VALUES, max_size=4)


def by_sql(table: pa.Table, kept: dict[str, list], path: Path) -> list[bool]:
    parquet.write_table(table, path)
    types = {field.name: field.type for field in table.schema}
    where, values = condition(kept, types)
    query = f"SELECT {where} AS kept FROM read_parquet('{path}') AS rows"
    return [row[0] for row in duckdb.execute(query, values).fetchall()]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), wanted=FILTERS, other=FILTERS)
@pytest.mark.parametrize("kind", COLUMNS, ids=str)
def test_a_mask_and_sql_keep_the_same_rows(kind: pa.DataType, data: Any, wanted: list, other: list, tmp_path) -> None:
    rows = data.draw(st.lists(COLUMNS[kind], max_size=6))
    table = pa.table({"first": pa.array(rows, kind), "second": pa.array([1] * len(rows), pa.int64())})
    kept = {"first": wanted, "second": other}
    assert by_sql(table, kept, tmp_path / "rows.parquet") == mask(table.to_pandas(), kept).tolist()


@pytest.mark.parametrize(
    ("column", "wanted", "expected"),
    [
        (["1", "2", None], [1, True], [False, False, False]),
        ([1, 2], ["1", 2.0], [False, True]),
        ([True, False], [1], [True, False]),
        ([1, 0], [True], [True, False]),
        (pd.array([1, None], dtype="Int64"), [1], [True, False]),
        (pd.array(["a", None], dtype="string"), ["a"], [True, False]),
        (np.array([0.1], dtype="float32"), [0.1], [True]),
        ([2**53, 2**53 + 1], [2**53 + 1, 0.5], [False, True]),
        ([[1], [2]], [1], [False, False]),
        ([], ["a"], []),
    ],
)
def test_types_are_strict(column: Any, wanted: list, expected: list[bool]) -> None:
    assert mask(pd.DataFrame({"c": column}), {"c": wanted}).tolist() == expected


def test_values_that_cannot_occur_are_reported() -> None:
    frame = pd.DataFrame({"name": ["a"], "count": [1], "share": [0.5], "nothing": [None]})
    kept: dict[str, list] = {"name": ["b", 1], "count": [2, "2", 0.5], "share": [1, "x"], "nothing": ["x", 1]}
    assert list(impossible(frame, kept)) == [
        ("name", 1, "text"),
        ("count", "2", "whole numbers"),
        ("count", 0.5, "whole numbers"),
        ("share", "x", "numbers"),
    ]
