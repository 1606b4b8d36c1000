"""Frames of Arrow tables keep whole numbers, whatever their names and places."""

import json
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from feature_repo.exact_frames import exact_frame
from feature_repo.stores.errors import UnsupportedError
from feature_repo.stores.offline.exact import noted
from feature_repo.stores.offline.job import AsOfRetrievalJob

LARGE = 2**53 + 1
NUMBERS = [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()]


def test_only_numbers_with_nulls_get_another_type() -> None:
    columns = [pa.array([1, None], kind) for kind in NUMBERS] + [pa.array([1, 2], kind) for kind in NUMBERS]
    names = [str(place) for place in range(16)]
    frame = exact_frame(pa.Table.from_arrays(columns, names))
    exact = [str(kind).title().replace("Ui", "UI") for kind in NUMBERS]
    assert [str(kind) for kind in frame.dtypes] == [*exact, *map(str, NUMBERS)]
    frame = exact_frame(pa.table({"x": [0.5, None], "y": ["a", None], "z": pa.array([None, None], pa.bool_())}))
    assert [str(kind) for kind in frame.dtypes] == ["float64", "object", "object"]


def test_columns_keep_their_places_and_names() -> None:
    columns = [pa.array([LARGE, None]), pa.array(["a", "b"]), pa.array([3, 4]), pa.array([[LARGE, None], []])]
    frame = exact_frame(pa.Table.from_arrays(columns, ["x", "y", "x", "x"]))
    assert frame.columns.tolist() == ["x", "y", "x", "x"]
    assert frame.iloc[0, 0] == LARGE
    assert frame.iloc[:, 2].tolist() == [3, 4]
    assert [[*row] for row in frame.iloc[:, 3]] == [[LARGE, None], []]
    assert frame.index.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([[LARGE, None], None, [3]], pa.list_(pa.int64())),
        ([[[LARGE, None], []], [None], [[4]]], pa.large_list(pa.list_(pa.int64()))),
        ([[1, 2], None, [3, 4]], pa.list_(pa.int64(), 2)),
        ([{"a": LARGE, "b": "x"}, {"a": None, "b": None}, None], pa.struct({"a": pa.int64(), "b": pa.string()})),
        ([[("k", LARGE)], [("k", None)], []], pa.map_(pa.string(), pa.int64())),
        ([["a", None], None, []], pa.list_(pa.string())),
    ],
)
def test_nested_values_are_exact(values: list[Any], kind: pa.DataType) -> None:
    def plain(value: Any) -> Any:
        if isinstance(value, str | tuple | dict) or not hasattr(value, "__len__"):
            return value
        return [plain(one) for one in value]

    frame = exact_frame(pa.table({"n": [1, 2, 3], "f": pa.array(values, kind)}))
    assert [plain(value) for value in frame["f"]] == values
    assert frame["n"].tolist() == [1, 2, 3]


def test_a_note_names_the_numbers_with_nulls() -> None:
    table = pa.table({"x": [LARGE, None], "y": [1, 2], "z": ["a", None]})
    whole = table.select(["y", "z"])
    assert noted(whole, [("y", "other")]) is whole
    own = noted(table.replace_schema_metadata({"a": "b"}), [("x", "v__x"), ("y", "v__y")]).schema.metadata
    assert own[b"a"] == b"b"
    assert [(one["name"], one["numpy_type"]) for one in json.loads(own[b"pandas"])["columns"]] == [
        ("x", "Int64"), ("v__x", "Int64")
    ]  # fmt: skip


def test_a_job_of_a_table() -> None:
    seen: list[Any] = []

    def evaluate(timeout: float | None) -> pa.Table:
        seen.append(timeout)
        return pa.table({"raw": [LARGE, None]})

    job = AsOfRetrievalJob(evaluate, None, field_mapping={"raw": "value"})
    assert (job.full_feature_names, job.on_demand_feature_views, job.metadata) == (False, [], None)
    renamed = job.to_arrow(timeout=7).rename_columns(["value"])
    assert renamed.to_pandas()["value"].iloc[0] == LARGE
    assert AsOfRetrievalJob(evaluate, None).to_df()["raw"].dtype == pd.Int64Dtype()
    assert seen == [7, None]
    with pytest.raises(UnsupportedError, match="to_sql: a result takes more than one statement"):
        job.to_sql()
    with pytest.raises(UnsupportedError, match="to_remote_storage: this store has no staging location"):
        job.to_remote_storage()
