"""Spark gives what the as-of store gives, from the same definitions: a real Spark session in local mode."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.data_format import ParquetFormat
from feast.feature_view import DUMMY_ENTITY_ID
from feast.infra.offline_stores.offline_utils import get_offline_store_from_config
from feast.types import Array, Float32, Float64, Int64, String, UnixTimestamp

from feature_repo.stores.errors import RetrievalInputError, UnsupportedError
from feature_repo.stores.offline.spark import SparkFileOfflineStore
from feature_repo.stores.offline.spark_source import address
from tests.feature_repo.spark_session import spark_defaults

pytestmark = [pytest.mark.slow, pytest.mark.long(25)]
START = datetime(2026, 1, 1, tzinfo=UTC)
TTL = timedelta(days=3)
MICROSECOND = timedelta(microseconds=1)
LARGE = 2**53 + 1
FEATURES = [
    *("scores:score", "scores:plays", "scores:tags", "scores:vector", "scores:seen"),
    *("pairs:affinity", "everything:total"),
]
TYPES = {
    "score": pa.float32(),
    "plays": pa.int64(),
    "tags": pa.list_(pa.string()),
    "vector": pa.list_(pa.float32()),
    "seen": pa.timestamp("us", "UTC"),
    "affinity": pa.float64(),
    "total": pa.int64(),
}


def scores() -> pa.Table:
    """Versions of two members: equal event times that created times order, NaN, nulls, empty lists, before 1970."""
    rows: list[tuple[int, datetime, datetime, float | None, int | None, list[str] | None, list[float] | None]] = [
        (1, datetime(1960, 1, 1, tzinfo=UTC), START, 0.5, LARGE, ["old"], [0.0]),
        (1, START, START + MICROSECOND, 0.1, LARGE, ["second"], [1.0, 2.0]),
        (1, START, START, 0.2, 2, ["first"], [3.0]),
        (1, START + 2 * MICROSECOND, START, float("nan"), None, [], None),
        (2, START, START, None, LARGE + 2, None, []),
    ]
    kinds = [("member", pa.int64()), ("at", pa.timestamp("us", "UTC")), ("written", pa.timestamp("us", "UTC"))]
    schema = pa.schema([*kinds, *((name, TYPES[name]) for name in ("score", "plays", "tags", "vector"))])
    table = pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema)
    seen = [datetime(1899, 7, 1, tzinfo=UTC), None, START - MICROSECOND, START + MICROSECOND, None]
    return table.append_column("seen", pa.array(seen, TYPES["seen"]))


def pairs() -> pa.Table:
    """Keys that read the same when written together; one of them is missing."""
    keys = [(1, 11), (2, 11), (21, 1)]
    columns = {"member": [m for m, _ in keys], "item": [i for _, i in keys], "at": [START] * 3}
    return pa.table({**columns, "strength": [0.25, 0.5, 0.75]}).cast(
        pa.schema([("member", "int64"), ("item", "int64"), ("at", pa.timestamp("us", "UTC")), ("strength", "float64")])
    )


def everything() -> pa.Table:
    at = [START - timedelta(days=1), START + timedelta(days=1)]
    return pa.table({"at": pa.array(at, pa.timestamp("us", "UTC")), "total": pa.array([1, LARGE], pa.int64())})


def definitions(folder: Path) -> list[Any]:
    member, item = (Entity(name=name, join_keys=[name], value_type=ValueType.INT64) for name in ("member", "item"))

    def view(name: str, table: pa.Table, entities: list[Entity], ttl: timedelta | None = None, **source: Any) -> Any:
        pq.write_table(table, folder / f"{name}.parquet")
        path, mapping = str(folder / f"{name}.parquet"), {"strength": "affinity"}
        kinds = {pa.string(): String, pa.int64(): Int64, pa.float32(): Float32, pa.float64(): Float64}
        kinds[TYPES["seen"]] = UnixTimestamp
        names = [mapping.get(column, column) for column in table.column_names if column not in ("at", "written")]
        types = {column: TYPES.get(column, pa.int64()) for column in names}
        fields = [
            Field(name=n, dtype=Array(kinds[t.value_type]) if pa.types.is_list(t) else kinds[t])
            for n, t in types.items()
        ]
        source = FileSource(name=name, path=path, file_format=ParquetFormat(), timestamp_field="at", **source)
        return FeatureView(name=name, entities=entities, schema=fields, source=source, ttl=ttl)

    return [
        member,
        item,
        view("scores", scores(), [member], TTL, created_timestamp_column="written"),
        view("pairs", pairs(), [member, item], field_mapping={"strength": "affinity"}),
        view("everything", everything(), []),
    ]


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, FeatureStore]]:
    """The same registry under both offline stores."""
    folder = tmp_path_factory.mktemp("stores")
    spark = {"type": "feature_repo.stores.offline.spark.SparkFileOfflineStore"}
    kinds: dict[str, dict[str, Any]] = {
        "as-of": {"type": "feature_repo.stores.offline.AsOfOfflineStore"},
        "spark": {**spark, "spark_conf": {"spark.sql.session.timeZone": "UTC"}},
    }
    settings: dict[str, Any] = {
        "project": "both",
        "provider": "local",
        "registry": {"registry_type": "sql", "path": f"sqlite:///{folder}/registry.db"},
        "online_store": {"type": "sqlite", "path": f"{folder}/online.db"},
        "entity_key_serialization_version": 3,
    }
    with spark_defaults(folder):
        both = {name: FeatureStore(config=RepoConfig(**settings, offline_store=kind)) for name, kind in kinds.items()}
        both["as-of"].apply(definitions(folder))
        yield both


def entities(moments: Sequence[datetime]) -> pd.DataFrame:
    """Every key at every moment, and the pairs' mirror images."""
    keys = [(1, 11), (11, 1), (2, 11), (21, 1), (1, 1), (3, 3)]
    rows = [(member, item, moment) for member, item in keys for moment in moments]
    frame = pd.DataFrame(rows, columns=["member", "item", "event_timestamp"])
    frame["event_timestamp"] = frame["event_timestamp"].dt.as_unit("us")
    return frame.assign(number=np.arange(len(rows)))


MOMENTS = [
    datetime(1960, 1, 2, tzinfo=UTC),
    START - MICROSECOND,
    START,
    START + MICROSECOND,
    START + 2 * MICROSECOND,
    START + TTL,
    START + TTL + MICROSECOND,
    START + TTL + 2 * MICROSECOND,
    START + TTL + 3 * MICROSECOND,
]


@pytest.mark.parametrize("full", [False, True])
def test_retrieval_is_the_same(stores: dict[str, FeatureStore], full: bool) -> None:
    found = {}
    for name, store in stores.items():
        job = store.get_historical_features(entity_df=entities(MOMENTS), features=FEATURES, full_feature_names=full)
        table = job.to_arrow().sort_by("number")
        columns = [feature.replace(":", "__") if full else feature.split(":")[1] for feature in FEATURES]
        found[name] = table.select(columns).cast(pa.schema(list(zip(columns, TYPES.values(), strict=True))))
    assert found["as-of"].num_rows == found["spark"].num_rows == len(entities(MOMENTS))
    for column in found["as-of"].column_names:
        # repr: NaN is not null, and equals itself here.
        assert repr(found["spark"][column].to_pylist()) == repr(found["as-of"][column].to_pylist()), column
    # The values are not all missing, and exact: no integer beside a null went through a float.
    for column in (1, 6):
        assert {LARGE, None} <= set(found["spark"].column(column).to_pylist())


def test_keys_that_read_the_same_keep_apart(stores: dict[str, FeatureStore]) -> None:
    frame = entities([START])
    job = stores["spark"].get_historical_features(entity_df=frame, features=["pairs:affinity"])
    result = job.to_df().sort_values("number")["affinity"].tolist()
    np.testing.assert_array_equal(result, [0.25, np.nan, 0.5, 0.75, np.nan, np.nan])


@pytest.mark.parametrize("view", ["scores", "pairs", "everything"])
@pytest.mark.parametrize("latest", [False, True])
def test_pulled_rows_are_the_same(stores: dict[str, FeatureStore], view: str, latest: bool) -> None:
    found = []
    for store in stores.values():
        definition = store.get_feature_view(view)
        source = definition.batch_source
        columns = {mapped: column for column, mapped in source.field_mapping.items()}
        arguments: dict[str, Any] = {
            "config": store.config,
            "data_source": source,
            "join_key_columns": [c.name for c in definition.entity_columns if c.name != DUMMY_ENTITY_ID],
            "feature_name_columns": [columns.get(field.name, field.name) for field in definition.features],
            "timestamp_field": source.timestamp_field,
            "created_timestamp_column": source.created_timestamp_column or None,
            "start_date": START - timedelta(days=1),
            "end_date": START + timedelta(days=1),
        }
        offline = get_offline_store_from_config(store.config.offline_store)
        pull = offline.pull_latest_from_table_or_query if latest else offline.pull_all_from_table_or_query
        table = pull(**arguments).to_arrow()
        # Feast renames a pulled column itself, unless (as on Spark) it has its new name already.
        table = table.rename_columns([source.field_mapping.get(name, name) for name in table.column_names])
        order = [(name, "ascending") for name in ("member", "item", "at", "written") if name in table.column_names]
        names = sorted(set(table.column_names) - {DUMMY_ENTITY_ID})
        found.append(table.select(names).sort_by(order).to_pylist())
    assert found[0]
    assert repr(found[1]) == repr(found[0])


def test_a_session_in_another_zone_is_refused(stores: dict[str, FeatureStore]) -> None:
    stores["spark"].get_historical_features(entity_df=entities(MOMENTS[:1]), features=FEATURES[:1])
    from pyspark.sql import SparkSession

    session = SparkSession.getActiveSession()
    assert session is not None
    session.conf.set("spark.sql.session.timeZone", "Asia/Kathmandu")
    try:
        with pytest.raises(UnsupportedError, match="expected UTC; found Asia/Kathmandu"):
            stores["spark"].get_historical_features(entity_df=entities(MOMENTS), features=FEATURES)
    finally:
        session.conf.set("spark.sql.session.timeZone", "UTC")


def test_appending_is_refused(stores: dict[str, FeatureStore]) -> None:
    view = stores["spark"].get_feature_view("scores")
    with pytest.raises(UnsupportedError, match="view scores"):
        SparkFileOfflineStore.offline_write_batch(stores["spark"].config, view, scores(), None)


def test_paths_are_addresses(tmp_path: Path) -> None:
    (tmp_path / "clicked=0 [b]").mkdir()
    assert address(str(tmp_path / "clicked=0 [b]")) == f"file://{tmp_path}/clicked=0 \\[b\\]"  # Spark decodes nothing
    assert address(f"file://{tmp_path}/no*.parquet") == f"file://{tmp_path}/no*.parquet"
    assert address("s3://bucket/x.parquet") == "s3a://bucket/x.parquet"
    assert address("hdfs://name/x.parquet") == "hdfs://name/x.parquet"


def _tied(folder: Path) -> FeatureView:
    """A view over a folder of folders ``score=9``: key 1 has three rows of equal times, the last one says 3."""
    for part, values in (("a", [1.0, 2.0]), ("b", [3.0])):
        place = folder / "x [1]" / f"score=9/part={part}"
        place.mkdir(parents=True)
        size = len(values)
        columns = {"member": [1] * size, "at": pa.array([START] * size, pa.timestamp("us", "UTC")), "score": values}
        pq.write_table(pa.table({**columns, "big": pa.array([LARGE, None][:size])}), place / f"{part}.parquet")
    source = FileSource(name="tied", path=str(folder / "x [1]"), timestamp_field="at")
    member = Entity(name="member", join_keys=["member"], value_type=ValueType.INT64)
    fields = [Field(name="score", dtype=Float64), Field(name="big", dtype=Int64)]
    view = FeatureView(
        name="tied", entities=[member], schema=[Field(name="member", dtype=Int64), *fields], source=source
    )
    view.entity_columns = [Field(name="member", dtype=Int64)]
    return view


def _answer(store: FeatureStore, view: FeatureView, keys: Any) -> pa.Table:
    frame = pd.DataFrame({"member": keys, "event_timestamp": pd.to_datetime([START] * len(keys), utc=True)})
    offline = get_offline_store_from_config(store.config.offline_store)
    registry = store.registry
    store.apply([view, view_entity()])
    return offline.get_historical_features(
        store.config, [store.get_feature_view("tied")], ["tied:score", "tied:big"], frame, registry, "both"
    ).to_arrow()


def view_entity() -> Entity:
    return Entity(name="member", join_keys=["member"], value_type=ValueType.INT64)


def test_folders_are_no_columns_and_the_last_of_equal_times_counts(
    stores: dict[str, FeatureStore], tmp_path: Path
) -> None:
    view = _tied(tmp_path)
    for name, store in stores.items():
        assert _answer(store, view, [1])["score"].to_pylist() == [3.0], name
        offline = get_offline_store_from_config(store.config.offline_store)
        for pull in (offline.pull_latest_from_table_or_query, offline.pull_all_from_table_or_query):
            rows = pull(store.config, view.batch_source, ["member"], ["score"], "at", None, START, START)
            assert rows.to_arrow()["score"].to_pylist() == [3.0], name


@pytest.mark.parametrize("keys", [[float(2**53)], ["1"], [True], np.array([2**24], dtype="float32")])
def test_keys_that_do_not_compare_are_refused(stores: dict[str, FeatureStore], tmp_path: Path, keys: Any) -> None:
    view = _tied(tmp_path)
    for store in stores.values():
        with pytest.raises(RetrievalInputError, match="view tied, key member: expected"):
            _answer(store, view, keys)
    assert _answer(stores["spark"], view, [1.0, 2.0])["score"].to_pylist() in ([3.0, None], [None, 3.0])
