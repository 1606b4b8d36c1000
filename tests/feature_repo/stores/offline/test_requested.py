"""What Feast asks of the as-of store: views, metadata, snapshots, and what is refused."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import Entity, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Int64

from feature_repo.stores.errors import RetrievalInputError, UnsupportedError
from feature_repo.stores.offline import AsOfOfflineStore
from feature_repo.stores.offline.engine import Bounds, connected
from feature_repo.stores.offline.location import Location
from feature_repo.stores.offline.requested import RequestedView, requested_views
from feature_repo.stores.offline.snapshot import snapshot_entities

AT = datetime(2026, 1, 1, tzinfo=UTC)
US = pa.timestamp("us", tz="UTC")
REGISTRY: Any = SimpleNamespace(list_on_demand_feature_views=lambda *_, **__: [])


def config(folder: Path) -> RepoConfig:
    return RepoConfig(
        project="p",
        provider="local",
        registry=str(folder / "registry"),
        offline_store={"type": "feature_repo.stores.offline.AsOfOfflineStore", "threads": 1},
        entity_key_serialization_version=3,
        repo_path=folder,
    )


def view(**source: Any) -> FeatureView:
    found = FeatureView(
        name="v",
        entities=[Entity(name="key", join_keys=["key"], value_type=ValueType.INT64)],
        schema=[Field(name="key", dtype=Int64), Field(name="value", dtype=Int64)],
        source=FileSource(name="s", path="x.parquet", timestamp_field="at", **source),
        ttl=timedelta(days=1),
    )
    found.entity_columns = [Field(name="key", dtype=Int64)]
    return found


def write(folder: Path, **columns: Any) -> Path:
    rows = {"key": [1], "at": pa.array([AT], US), "made": pa.array([AT + timedelta(hours=9)], US), "value": [5]}
    pq.write_table(pa.table({**rows, **columns}), folder / "x.parquet")
    return folder / "x.parquet"


def test_a_job_knows_its_keys_and_times(tmp_path: Path) -> None:
    write(tmp_path)
    times = [AT + timedelta(hours=2), AT + timedelta(hours=1)]
    frame = pd.DataFrame({"key": [1, 1], "event_timestamp": times, "more": [3, 4]})
    source = view(created_timestamp_column="made")
    job = AsOfOfflineStore.get_historical_features(config(tmp_path), [source], ["v:value"], frame, REGISTRY, "p")
    assert job.to_arrow()["value"].to_pylist() == [5, 5]  # created later, which does not matter unless it is asked for
    assert job.metadata is not None
    assert (job.metadata.keys, job.metadata.features) == (["key", "more"], ["v:value"])
    assert (job.metadata.min_event_timestamp, job.metadata.max_event_timestamp) == (times[1], times[0])
    assert AsOfOfflineStore.supports_filter_by_created_timestamp
    job = AsOfOfflineStore.get_historical_features(
        config(tmp_path), [source], ["v:value"], frame, REGISTRY, "p", filter_by_created_timestamp=True
    )
    assert job.to_arrow()["value"].to_pylist() == [None, None]
    job = AsOfOfflineStore.get_historical_features(
        config(tmp_path), [source], ["v:value"], frame.iloc[:0], REGISTRY, "p", full_feature_names=True
    )
    assert job.to_arrow().column_names == ["key", "event_timestamp", "more", "v__value"]
    assert job.metadata is not None
    assert (job.metadata.min_event_timestamp, job.metadata.max_event_timestamp) == (None, None)


def test_a_view_is_requested_by_the_names_of_its_files(tmp_path: Path) -> None:
    mapping = {"id": "key", "v0": "value", "t": "at"}
    one = view(field_mapping=mapping, created_timestamp_column="made")
    (found,) = requested_views([one], ["v:value", "w:other", "v:value"], tmp_path, True, False)
    assert found == RequestedView(
        name="v",
        location=Location(str(tmp_path / "x.parquet")),
        keys=(("id", "key"),),
        features=(("v0", "v__value"),),
        time="t",
        created="made",
        ttl=86_400_000_000,
        known_by_then=False,
    )
    one.ttl = timedelta(0)
    (found,) = requested_views([one], ["v:value"], tmp_path, False, True)
    assert (found.ttl, found.features, found.known_by_then) == (None, (("v0", "value"),), True)


def test_a_view_without_a_source_is_refused(tmp_path: Path) -> None:
    one: Any = SimpleNamespace(name="v", batch_source=None)
    message = r"^view v: expected a batch source; found none\. Give it a FileSource$"
    with pytest.raises(UnsupportedError, match=message):
        requested_views([one], ["v:value"], tmp_path, False, False)
    with pytest.raises(UnsupportedError, match=message):
        AsOfOfflineStore.offline_write_batch(config(tmp_path), one, pa.table({}), None)
    logging: Any = SimpleNamespace(destination=7)
    rows = pa.table({"key": [1]})
    with pytest.raises(UnsupportedError, match=r"^logging: expected a FileLoggingDestination; found int\. "):
        AsOfOfflineStore.write_logged_features(config(tmp_path), rows, None, logging, REGISTRY)


def requested(path: Path, name: str = "v", keys: tuple[tuple[str, str], ...] = (("key", "key"),)) -> RequestedView:
    return RequestedView(name, Location(str(path)), keys, (), "at", None, None, False)


def test_a_snapshot_has_every_key_of_its_time_range(tmp_path: Path) -> None:
    first = 1_700_000_000_000_000
    times = pa.array([first - 1, first, first + 9, first + 10], US)
    path = write(tmp_path, key=[4, 3, 2, 1], at=times, made=times, value=[1, 1, 1, 1])
    with connected(Bounds("300MB", 1)) as connection:
        found = snapshot_entities(connection, [requested(path), requested(path, "w")], first, first + 9)
        assert found.table["key"].to_pylist() == [2, 3]
        assert found.table["event_timestamp"].cast(pa.int64()).to_pylist() == [first + 9] * 2
        assert (found.times.tolist(), found.missing.tolist(), found.unit) == ([first + 9] * 2, [False] * 2, "us")
        none = snapshot_entities(connection, [requested(path, keys=())], first, first + 9)
        assert (none.table.column_names, none.times.tolist()) == (["event_timestamp"], [first + 9])
        with pytest.raises(
            UnsupportedError, match=r"found \['key', 'made'\] among them and \['key'\] of view v\. Pass"
        ):
            snapshot_entities(connection, [requested(path), requested(path, "w", (("made", "made"),))], first, first)
        with pytest.raises(RetrievalInputError, match=r"x\.parquet: expected a column 'id'; found key, at"):
            snapshot_entities(connection, [requested(path, keys=(("id", "key"),))], first, first)


def test_keys_of_other_types_are_refused_in_a_snapshot(tmp_path: Path) -> None:
    path, pairs = write(tmp_path, value=["a"]), (("key", "key"), ("value", "name"))
    (tmp_path / "y").mkdir()
    other = write(tmp_path / "y", value=[5])
    message = r"key name: expected one type in all views; found string in view v, int64 in view w\. Write"
    with connected(Bounds("300MB", 1)) as connection, pytest.raises(RetrievalInputError, match=message):
        snapshot_entities(connection, [requested(path, "v", pairs), requested(other, "w", pairs)], 0, 0)


def test_locations(tmp_path: Path) -> None:
    for name in ("a.parquet", "x/b.parquet", "x/y/c.parquet", "x/_d/e.parquet", "x/f.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_bytes(b"")
    gone = [Location(f"/gone/{name}") for name in ("x.parquet", "x.pq", "x", "*.parquet", "?", "[x].pq")]
    assert [place.one_file for place in gone] == [True, True, False, False, False, False]
    assert [place.pattern for place in gone] == [False, False, False, True, True, True]
    assert gone[0].parts() == ["/gone/x.parquet"]
    assert Location(str(tmp_path / "x")).parts() == [
        str(tmp_path / "x" / name) for name in ("b.parquet", "y/c.parquet")
    ]
    found = Location(str(tmp_path / "**" / "*.parquet")).parts()
    below = ["a.parquet", "x/_d/e.parquet", "x/b.parquet", "x/y/c.parquet"]
    assert found == [str(tmp_path / name) for name in below]
    assert Location(str(tmp_path / "a.parquet")).one_file
    assert not Location(str(tmp_path)).one_file
