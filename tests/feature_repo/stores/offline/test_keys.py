"""Keys and whole numbers of any types: exact, or refused by name. Never another entity's row, never a lost digit."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.infra.offline_stores.file_source import SavedDatasetFileStorage
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float64, Int64

from feature_repo.stores.errors import RetrievalInputError

AT = datetime(2026, 1, 1, tzinfo=UTC)
TIME = pa.timestamp("us", tz="UTC")
LARGE = 2**53
LISTS = pa.list_(pa.int64())


def table(keys: Any, kind: pa.DataType, values: Any = None, value_kind: pa.DataType | None = None) -> pa.Table:
    """Rows of the keys at AT; their values are 10, 20, ... unless given."""
    made = values if values is not None else [10 * (place + 1) for place in range(len(keys))]
    columns = {"key": pa.array(keys, kind), "at": pa.array([AT] * len(keys), TIME)}
    return pa.table({**columns, "value": pa.array(made, value_kind or pa.int64())})


def opened(folder: Path) -> FeatureStore:
    """A store of the view ``v`` over ``v.parquet``, a file or a folder, with an on-demand view that adds one."""
    config = RepoConfig(
        project="keys",
        provider="local",
        registry=str(folder / "registry"),
        online_store={"type": "feature_repo.stores.online.PackedSqliteOnlineStore", "path": str(folder / "online")},
        offline_store={"type": "feature_repo.stores.offline.AsOfOfflineStore"},
        entity_key_serialization_version=3,
        repo_path=folder,
        materialization={"pull_latest_features": True},
    )
    store = FeatureStore(config=config)
    key = Entity(name="key", join_keys=["key"], value_type=ValueType.INT64)
    view = FeatureView(
        name="v",
        entities=[key],
        schema=[Field(name="key", dtype=Int64), Field(name="value", dtype=Int64)],
        source=FileSource(name="v", path=str(folder / "v.parquet"), timestamp_field="at"),
    )

    @on_demand_feature_view(sources=[view], schema=[Field(name="next", dtype=Int64), Field(name="seen", dtype=Float64)])
    def after(inputs: pd.DataFrame) -> pd.DataFrame:
        value = inputs["value"]
        return pd.DataFrame({"next": value + 1, "seen": value.notna().astype("float64")})

    store.apply([key, view, after])
    return store


def write(folder: Path, rows: pa.Table, name: str = "v.parquet") -> None:
    (folder / name).parent.mkdir(exist_ok=True, parents=True)
    pq.write_table(rows, folder / name)


def retrieve(store: FeatureStore, keys: Any, features: Any = ("v:value",), full: bool = False) -> Any:
    frame = pd.DataFrame({"key": keys, "event_timestamp": [AT + timedelta(days=1)] * len(keys)})
    return store.get_historical_features(frame, list(features), full_feature_names=full)


FILES = {
    "int64": table([LARGE, LARGE + 1, 7], pa.int64()),
    "uint64": table([LARGE, LARGE + 1, 2**63 + 1], pa.uint64()),
    "int32": table([2**24, 2**24 + 1, 7], pa.int32()),
    "float64": table([1.0, 7.0, 1.5], pa.float64()),
    "string": table(["7", "a", "1"], pa.string()),
    "bool": table([True, False, None], pa.bool_()),
    "decimal": table([Decimal(7), Decimal(8), Decimal(9)], pa.decimal128(20, 0)),
}
EXACT: list[tuple[str, Any, list[Any]]] = [
    ("int64", [LARGE, LARGE + 1], [10, 20]),
    ("int64", pd.array([LARGE + 1, None], dtype="Int64"), [20, None]),
    ("int64", np.array([7, 8], dtype="uint64"), [30, None]),
    ("int64", np.array([7, 8], dtype="int8"), [30, None]),
    ("int64", [7.0, float("nan"), 7.5, -7.0], [30, None, None, None]),
    ("int64", [float(LARGE - 1), 7.0], [None, 30]),
    ("uint64", np.array([2**63 + 1, LARGE + 1], dtype="uint64"), [30, 20]),
    ("uint64", [-(2**63) + 1, LARGE], [None, 10]),
    ("int32", np.array([7.0, 2**24 - 1], dtype="float32"), [30, None]),
    ("int32", [2.0**24 + 1], [20]),
    ("float64", [1, 7, 2], [10, 20, None]),
    ("float64", np.array([1.5, 7.0], dtype="float32"), [30, 20]),
    ("string", ["7", "07"], [10, None]),
    ("bool", [True, False], [10, 20]),
    ("decimal", [Decimal(8)], [20]),
]
REFUSED: list[tuple[str, Any]] = [
    ("int64", [float(LARGE), 7.0]),
    ("int64", [float("inf")]),
    ("int64", np.array([2**24, 7], dtype="float32")),
    ("int64", np.array([7], dtype="float16")),
    ("int32", np.array([2**24, 7], dtype="float32")),
    ("uint64", [float(2**63)]),
    ("float64", [LARGE + 1, 7]),
    ("float64", np.array([2**64 - 1], dtype="uint64")),
    ("int64", ["7"]),
    ("int64", [True]),
    ("int64", [Decimal(7)]),
    ("int64", [b"7"]),
    ("string", [7]),
    ("string", [7.0]),
    ("bool", [1]),
    ("decimal", [7.0]),
    ("int64", [datetime(2026, 1, 1, tzinfo=UTC)]),
]


@pytest.mark.parametrize(("file", "keys", "values"), EXACT)
def test_keys_of_two_types_are_compared_exactly(tmp_path: Path, file: str, keys: Any, values: list[Any]) -> None:
    write(tmp_path, FILES[file])
    assert retrieve(opened(tmp_path), keys).to_arrow()["value"].to_pylist() == values


@pytest.mark.parametrize(("file", "keys"), REFUSED)
def test_keys_that_do_not_compare_are_refused(tmp_path: Path, file: str, keys: Any) -> None:
    write(tmp_path, FILES[file])
    store = opened(tmp_path)
    with pytest.raises(RetrievalInputError, match=r"(?s)view v(, key key)?: expected .*; found .*\. (Make|Convert)"):
        retrieve(store, keys).to_arrow()


@pytest.mark.parametrize(
    ("one", "other", "column"),
    [
        (table([LARGE + 1], pa.int64()), table([7.0], pa.float64()), "key"),
        (table([7], pa.int64()), table(["8"], pa.string()), "key"),
        (table([7], pa.int64()), table([True], pa.bool_()), "key"),
        (table([7], pa.int64()), table([2**63 + 1], pa.uint64()), "key"),
        (table([7], pa.int64(), [LARGE + 1]), table([8], pa.int64(), [0.5], pa.float64()), "value"),
        (table([7], pa.int64(), [1], pa.int32()), table([8], pa.int64(), [0.5], pa.float32()), "value"),
        (table([7], pa.int64(), [[1]], LISTS), table([8], pa.int64(), [[0.5]], pa.list_(pa.float64())), "value"),
        (table([7], pa.int64(), [1]), table([8], pa.int64(), ["1"], pa.string()), "value"),
        (table([7], pa.int64(), [1]), table([8], pa.int64(), [True], pa.bool_()), "value"),
    ],
)  # fmt: skip
def test_parts_of_types_that_lose_digits_together_are_refused(
    tmp_path: Path, one: pa.Table, other: pa.Table, column: str
) -> None:
    write(tmp_path, one, "v.parquet/a.parquet")
    write(tmp_path, other, "v.parquet/b.parquet")
    with pytest.raises(RetrievalInputError, match=f"column '{column}': expected one type in all files; found .* in .*"):
        retrieve(opened(tmp_path), [7]).to_arrow()


def test_parts_of_types_that_hold_each_other_are_read(tmp_path: Path) -> None:
    write(tmp_path, table([7], pa.int32(), [1], pa.int16()), "v.parquet/a.parquet")
    write(tmp_path, table([8], pa.int64(), [0.5], pa.float64()), "v.parquet/b.parquet")
    write(tmp_path, table([LARGE + 1], pa.int64(), [None], pa.null()), "v.parquet/c.parquet")
    assert retrieve(opened(tmp_path), [7, 8, LARGE + 1, LARGE]).to_arrow()["value"].to_pylist() == [1, 0.5, None, None]
    write(tmp_path, table([9], pa.int64()).drop_columns(["value"]), "v.parquet/d.parquet")
    assert retrieve(opened(tmp_path), [9, 8]).to_arrow()["value"].to_pylist() == [None, 0.5]
    write(tmp_path, table([9], pa.int64(), [1], pa.int16()).drop_columns(["key"]), "v.parquet/d.parquet")
    with pytest.raises(RetrievalInputError, match=r"expected column 'key' in every file; found none in .*d\.parquet"):
        retrieve(opened(tmp_path), [9]).to_arrow()


@pytest.mark.parametrize(
    ("kind", "largest"),
    [
        (pa.int64(), LARGE + 1),
        (pa.int64(), -(2**63)),
        (pa.uint64(), 2**64 - 1),
        (pa.int32(), 2**31 - 1),
        (pa.uint32(), 2**32 - 1),
        (pa.int8(), -128),
        (pa.uint8(), 255),
    ],
)
@pytest.mark.parametrize("nulls", [False, True])
def test_frames_keep_whole_numbers(tmp_path: Path, kind: pa.DataType, largest: int, nulls: bool) -> None:
    write(tmp_path, table([1, 2], pa.int64(), [largest, None if nulls else 3], kind))
    store = opened(tmp_path)
    frame = retrieve(store, [1, 2]).to_df()
    assert frame["value"].iloc[0] == largest
    assert bool(frame["value"].isna().iloc[1]) == nulls
    kinds = str(frame["value"].dtype).lower()
    assert kinds == str(kind).replace("halffloat", "")
    storage = SavedDatasetFileStorage("kept.parquet")
    retrieve(store, [1, 2]).persist(storage)
    assert pd.read_parquet(tmp_path / "kept.parquet")["value"].iloc[0] == largest
    saved = retrieve(store, [1, 2])
    assert saved.to_arrow()["value"].to_pylist()[0] == largest


@pytest.mark.parametrize("full", [False, True])
def test_on_demand_views_see_whole_numbers(tmp_path: Path, full: bool) -> None:
    write(tmp_path, table([1, 2], pa.int64(), [LARGE + 1, None]))
    job = retrieve(opened(tmp_path), [1, 2, 3], ["v:value", "after:next", "after:seen"], full)
    name = "after__next" if full else "next"
    assert job.to_arrow()[name].to_pylist() == [LARGE + 2, None, None]
    frame = job.to_df()
    assert frame[name].iloc[0] == LARGE + 2
    assert frame["v__value" if full else "value"].iloc[0] == LARGE + 1
    assert frame["after__seen" if full else "seen"].tolist() == [1.0, 0.0, 0.0]


def test_numbers_inside_lists_and_of_a_query_stay_whole(tmp_path: Path) -> None:
    write(tmp_path, table([1, 2], pa.int64(), [[LARGE + 1, None], [3]], pa.list_(pa.int64())))
    store = opened(tmp_path)
    assert [[*row] for row in retrieve(store, [1, 2]).to_df()["value"]] == [[LARGE + 1, None], [3]]
    query = f"SELECT unnest([1, NULL])::UBIGINT AS key, TIMESTAMP '2026-01-02' AS event_timestamp, {LARGE + 1} AS n"
    frame = store.get_historical_features(query, ["v:value"]).to_df()
    assert frame["n"].tolist() == [LARGE + 1, LARGE + 1]
    assert frame["value"].notna().tolist() == [True, False]


def test_a_snapshot_takes_no_keys_of_other_types(tmp_path: Path) -> None:
    store = opened(tmp_path)
    write(tmp_path, table([LARGE + 1], pa.int64()))
    write(tmp_path, table([7.0], pa.float64()), "w.parquet")
    view = store.get_feature_view("v")
    other = FeatureView(
        name="w",
        entities=[store.get_entity("key")],
        schema=[Field(name="key", dtype=Int64), Field(name="other", dtype=Int64)],
        source=FileSource(
            name="w", path=str(tmp_path / "w.parquet"), timestamp_field="at", field_mapping={"value": "other"}
        ),
    )
    store.apply([view, other])
    with pytest.raises(RetrievalInputError, match="key key: expected one type in all views; found int64 in view v"):
        store.get_historical_features(None, ["v:value", "w:other"], start_date=AT, end_date=AT + timedelta(days=1))


def test_a_moment_as_a_key_keeps_its_nanoseconds(tmp_path: Path) -> None:
    moment = pd.Timestamp("2026-01-01 00:00:00.000000001", tz="UTC")
    write(tmp_path, table([moment.floor("us")], pa.timestamp("us", tz="UTC")))
    store = opened(tmp_path)
    frame = pd.DataFrame({"key": [moment], "event_timestamp": pd.to_datetime([AT], utc=True)})
    with pytest.raises(RetrievalInputError, match="view v, key key"):
        store.get_historical_features(frame, ["v:value"]).to_arrow()
