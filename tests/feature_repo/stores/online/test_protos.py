"""Feast's values as columns and back: times in seconds, nulls inside lists, numbers that Feast may have rounded."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from feast.protos.feast.types.Value_pb2 import Int64List, Value

from feature_repo.packed.layout import Field, Layout
from feature_repo.packed.pack import pack, unpack
from feature_repo.stores.errors import RowInputError
from feature_repo.stores.online.protos import CREATED, EVENT, may_be_rounded, proto_field, table_of, values_of

AT = datetime(1970, 1, 1, 0, 0, 2, tzinfo=UTC)
NULL = -(2**63)
LARGE = 2**53


def layout(kind: str) -> Layout:
    return Layout("v", (), (Field("f", kind),))


def table(kind: str, *values: Value | None) -> pa.Table:
    return table_of(layout(kind), [(None, {} if value is None else {"f": value}, AT, None) for value in values])


def back(kind: str, rows: pa.Table) -> list[Value]:
    return values_of(kind, unpack(layout(kind), pack(layout(kind), rows, EVENT, CREATED)), "f")


def test_times_of_rows_are_microseconds_utc() -> None:
    east = datetime.fromisoformat("1970-01-01T09:00:00+09:00") - timedelta(microseconds=1)
    data: list[Any] = [(None, {}, AT, None), (None, {}, east, AT.replace(tzinfo=None))]
    found = table_of(layout("int64"), data)
    assert found.column_names == [EVENT, CREATED, "f"]
    assert [column.to_pylist() for column in found.columns] == [[2_000_000, -1], [None, 2_000_000], [None, None]]


def test_seconds_become_microseconds_and_feasts_null_stays() -> None:
    given = [Value(unix_timestamp_val=seconds) for seconds in (5, -5, NULL)]
    found = table("timestamp", *given, None, Value())
    assert found["f"].cast(pa.int64()).to_pylist() == [5_000_000, -5_000_000, NULL, None, None]
    assert back("timestamp", found) == [*given, Value(), Value()]
    times = Value(unix_timestamp_list_val=Int64List(val=[NULL, 5, -5, 0]))
    found = table("timestamp[]", times, None)
    assert found["f"].cast(pa.large_list(pa.int64())).to_pylist() == [[NULL, 5_000_000, -5_000_000, 0], None]
    assert back("timestamp[]", found) == [times, Value()]


def test_times_are_rounded_down_and_in_lists_toward_1970() -> None:
    micros = [1_999_999, 999_999, 1, 0, -1, -1_000_000, -1_000_001]
    rows = pa.table(
        {EVENT: [0] * 7, CREATED: pa.nulls(7, pa.int64()), "f": pa.array(micros, pa.timestamp("us", "UTC"))}
    )
    assert [value.unix_timestamp_val for value in back("timestamp", rows)] == [1, 0, 0, 0, -1, -1, -2]
    one = pa.table({EVENT: [0], CREATED: pa.nulls(1, pa.int64()), "f": [rows["f"].to_pylist()]})
    assert [*back("timestamp[]", one)[0].unix_timestamp_list_val.val] == [1, 0, 0, 0, 0, -1, -1]


def test_values_that_do_not_fit_are_refused() -> None:
    with pytest.raises(RowInputError, match=r"^v: expected timestamp in f; found "):
        table("timestamp", Value(unix_timestamp_val=2**62))
    with pytest.raises(RowInputError, match=r"^v: expected int64_list_val in f; found int64_val$"):
        table("int64[]", Value(int64_val=1))
    assert [proto_field(kind) for kind in ("float32", "bytes[]")] == ["float_val", "bytes_list_val"]


@pytest.mark.parametrize(
    ("values", "rounded"),
    [
        ([], False),
        ([None, None], False),
        ([LARGE], False),
        ([LARGE - 1, None], False),
        ([1 - LARGE, None], False),
        ([LARGE, None], True),
        ([-LARGE, None, 1], True),
        ([LARGE, LARGE + 1, None], False),
        ([LARGE + 2, None], True),
    ],
)
def test_large_numbers_beside_nulls_may_be_rounded(values: list[int | None], rounded: bool) -> None:
    assert may_be_rounded(pa.array(values, pa.int64())) is rounded
    given = [Value() if value is None else Value(int64_val=value) for value in values]
    if not rounded:
        assert table("int64", *given)["f"].to_pylist() == values
        return
    with pytest.raises(RowInputError, match=r"^v: expected whole numbers below 2\*\*53 in f where some are null; "):
        table("int64", *given)


def test_large_floats_beside_nulls_are_taken() -> None:
    assert table("float64", Value(double_val=2.0**60), None)["f"].to_pylist() == [2.0**60, None]
