"""Entity rows: times in the coarsest exact unit, columns as DuckDB returns them."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from feature_repo.stores.errors import RetrievalInputError
from feature_repo.stores.offline.engine import Bounds
from feature_repo.stores.offline.entities import Entities, entities_of

BOUNDS = Bounds("300MB", 1)
US = pa.timestamp("us", tz="UTC")
EDGE = 9_223_372_036_854_775


def entities(times: Any, **columns: Any) -> Entities:
    return entities_of(pd.DataFrame({"event_timestamp": times, **columns}), BOUNDS)


def made(times: list[int], missing: list[bool], unit: Any) -> Entities:
    table = pa.table({"a": range(len(times)), "b": ["x"] * len(times)})
    return Entities(table, "at", np.array(times, np.int64), np.array(missing, bool), unit)


@pytest.mark.parametrize(
    ("times", "found", "unit", "shown"),
    [
        (np.array([1_000_000_001_999, 5_000], "datetime64[ns]"), [1_000_000_001_999, 5_000], "ns", [1_000_000_001, 5]),
        (np.array([2_001], "datetime64[ns]"), [2_001], "ns", [2]),
        (np.array([1_000_000_000_000, 7_000], "datetime64[ns]"), [1_000_000_000, 7], "us", [1_000_000_000, 7]),
        (np.array([1_000_001, -1], "datetime64[us]"), [1_000_001, -1], "us", [1_000_001, -1]),
        (np.array([7], "datetime64[s]"), [7_000_000], "us", [7_000_000]),
        (["1970-01-01 00:00:01", "1970-01-01 09:00:02+09:00"], [1_000_000, 2_000_000], "us", [1_000_000, 2_000_000]),
    ],
)
def test_times_are_exact(times: Any, found: list[int], unit: str, shown: list[int]) -> None:
    given = [pd.Timestamp(time) for time in times] if isinstance(times, list) else times
    rows = entities(pd.Series(given, dtype=object) if isinstance(times, list) else given)
    assert (rows.times.tolist(), rows.unit, rows.time) == (found, unit, "event_timestamp")
    assert rows.table["event_timestamp"].type == US
    assert rows.table["event_timestamp"].cast(pa.int64()).to_pylist() == shown
    assert not rows.missing.any()


def test_missing_times_have_no_digits() -> None:
    rows = entities(np.array([3_000, "NaT"], "datetime64[ns]"))
    assert (rows.unit, rows.missing.tolist(), rows.times[0]) == ("us", [False, True], 3)
    assert rows.table["event_timestamp"].cast(pa.int64()).to_pylist() == [3, None]
    assert rows.span() == (3, 3)


def test_spans_are_in_microseconds() -> None:
    assert made([5_000_000, 2_000_000, 9], [False, False, True], "us").span() == (2_000_000, 5_000_000)
    assert made([5_000_000_999, 2_000_000_000, 9], [False, False, True], "ns").span() == (2_000_000, 5_000_000)
    assert made([7], [True], "us").span() == (None, None)


def test_times_beyond_nanoseconds_are_clipped() -> None:
    times = [2**62, -(2**62), 7, 0]
    keyed = made(times, [False, False, False, True], "us").keyed(["b", "a"], "ns")
    assert keyed.column_names == ["row", "t", "k0", "k1"]
    assert keyed["t"].to_pylist() == [EDGE * 1000, -EDGE * 1000, 7_000, None]
    assert (keyed["row"].to_pylist(), keyed["k0"].to_pylist()) == ([0, 1, 2, 3], ["x"] * 4)
    assert keyed["k1"].to_pylist() == [0, 1, 2, 3]
    assert made(times, [False] * 4, "us").keyed([], "us")["t"].to_pylist() == times
    assert made(times, [False] * 4, "ns").keyed([], "ns")["t"].to_pylist() == times


def test_columns_are_as_duckdb_returns_them() -> None:
    moments = pd.to_datetime(["2026-01-01"], utc=True)
    rows = entities(
        moments,
        word=pd.Categorical(["a"]),
        large=pd.Series(["b"], dtype=pd.ArrowDtype(pa.large_string())),
        view=pd.Series(["c"], dtype=pd.ArrowDtype(pa.string_view())),
        zoned=moments.tz_convert("Asia/Tokyo"),
        fine=moments + pd.Timedelta(1, "ns"),
        naive=moments.tz_localize(None),
        number=[7],
    )
    kinds = {field.name: field.type for field in rows.table.schema}
    assert list(kinds) == ["event_timestamp", "word", "large", "view", "zoned", "fine", "naive", "number"]
    texts = dict.fromkeys(["word", "large", "view"], pa.string())
    times = {"zoned": US, "fine": pa.timestamp("ns", tz="UTC"), "naive": pa.timestamp("ns")}
    assert kinds == {"event_timestamp": US, **texts, **times, "number": pa.int64()}
    assert rows.table["view"].to_pylist() == ["c"]


def test_the_index_does_not_matter() -> None:
    frame = pd.DataFrame({"event_timestamp": pd.to_datetime(["2026-01-01"] * 2), "key": [1, 2]}, index=[1, "a"])
    assert entities_of(frame, BOUNDS).table["key"].to_pylist() == [1, 2]
    assert entities_of(frame, BOUNDS).table.schema.metadata is None


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (7, r"^entity_df: expected a pandas DataFrame or a SQL query; found int\. Convert it to pandas$"),
        (
            pd.DataFrame({"event_timestamp": ["soon"]}),
            r"^entity_df: expected times in column 'event_timestamp'; found ",
        ),
        (
            pd.DataFrame({"event_timestamp": pd.to_datetime(["2026-01-01"] * 2), "key": [1, "a"]}),
            "^entity_df: expected columns of one type each; found ",
        ),
    ],
)
def test_other_entity_rows_are_refused(frame: Any, message: str) -> None:
    with pytest.raises(RetrievalInputError, match=message):
        entities_of(frame, BOUNDS)
