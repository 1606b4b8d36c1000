"""Stock `feast materialize` writes the last of a key's equal times, whichever way Feast is set to pull the rows."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Int64

from feature_repo.stores.errors import RetrievalInputError, RowInputError

AT = datetime(2026, 1, 1, tzinfo=UTC)
TIME = pa.timestamp("us", tz="UTC")
ONLINE = ["feature_repo.stores.online.PackedSqliteOnlineStore", "sqlite"]


def opened(folder: Path, latest: bool | None, online: str = ONLINE[0], created: str = "") -> FeatureStore:
    settings: dict[str, Any] = {} if latest is None else {"materialization": {"pull_latest_features": latest}}
    config = RepoConfig(
        project="ties",
        provider="local",
        registry=str(folder / "registry"),
        online_store={"type": online, "path": str(folder / "online")},
        offline_store={"type": "feature_repo.stores.offline.AsOfOfflineStore"},
        entity_key_serialization_version=3,
        **settings,
    )
    store = FeatureStore(config=config)
    key = Entity(name="key", join_keys=["key"], value_type=ValueType.INT64)
    view = FeatureView(
        name="v",
        entities=[key],
        schema=[Field(name="key", dtype=Int64), Field(name="value", dtype=Int64)],
        source=FileSource(
            name="v", path=str(folder / "v.parquet"), timestamp_field="at", created_timestamp_column=created
        ),
    )
    store.apply([key, view])
    return store


def write(path: Path, keys: list[Any], values: list[int | None], **more: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {"key": keys, "at": pa.array([AT] * len(keys), TIME), "value": pa.array(values, pa.int64())}
    pq.write_table(pa.table({**columns, **more}), path)


def read(store: FeatureStore, keys: list[int]) -> list[Any]:
    store.materialize(AT - timedelta(days=1), AT + timedelta(days=1))
    return store.get_online_features(["v:value"], [{"key": key} for key in keys]).to_dict()["value"]


@pytest.mark.parametrize("online", ONLINE)
@pytest.mark.parametrize("latest", [True, False, None])
def test_the_last_of_equal_times_is_materialised(tmp_path: Path, latest: bool | None, online: str) -> None:
    keys = [place % 97 for place in range(4_000)]
    write(tmp_path / "v.parquet", keys, list(range(4_000)))
    last = {key: place for place, key in enumerate(keys)}
    assert read(opened(tmp_path, latest, online), [*last]) == [*last.values()]


@pytest.mark.parametrize("latest", [True, False])
def test_created_times_then_files_decide(tmp_path: Path, latest: bool) -> None:
    made = [AT + timedelta(hours=hours) for hours in (1, 3, 2, 3)]
    write(tmp_path / "v.parquet", [1] * 4, [1, 2, 3, 4], made=pa.array(made, TIME))
    assert read(opened(tmp_path, latest, created="made"), [1]) == [4]
    (tmp_path / "v.parquet").unlink()
    for part, value in (("b", 6), ("a", 5), ("c", 7)):
        write(tmp_path / "v.parquet" / f"{part}.parquet", [2], [value])
    assert read(opened(tmp_path, latest), [2]) == [7]


def test_a_saved_data_set_is_read_whole(tmp_path: Path) -> None:
    write(tmp_path / "v.parquet", [1, 1, 2], [1, 2, 3])
    store = opened(tmp_path, None)
    offline = store.provider.offline_store  # type: ignore[attr-defined]
    source = FileSource(path=str(tmp_path / "v.parquet"))
    rows = offline.pull_all_from_table_or_query(store.config, source, ["key"], ["value"], "at", None, AT, AT)
    assert rows.to_arrow()["value"].to_pylist() == [1, 2, 3]


def test_numbers_that_feast_rounds_on_the_way_are_refused(tmp_path: Path) -> None:
    """Feast hands whole numbers beside nulls on as floats."""
    write(tmp_path / "v.parquet", [1, 2], [2**53 + 1, None])
    with pytest.raises(RowInputError, match=r"v: expected whole numbers below 2\*\*53 in value where some are null"):
        read(opened(tmp_path, True), [1])
    write(tmp_path / "v.parquet", [1, 2], [2**53 - 1, None])
    assert read(opened(tmp_path, True), [1, 2]) == [2**53 - 1, None]
    write(tmp_path / "v.parquet", [1, 2], [2**53 + 1, 3])
    assert read(opened(tmp_path, True), [1, 2]) == [2**53 + 1, 3]


@pytest.mark.parametrize("latest", [True, False])
@pytest.mark.parametrize("keys", [[7.5, 1.0], [float(2**53), 1.0], [True, False]])
def test_keys_that_are_no_whole_numbers_are_refused(tmp_path: Path, latest: bool, keys: list[Any]) -> None:
    """Feast would write 7.5 as 7 and true as 1: another entity's row."""
    write(tmp_path / "v.parquet", keys, [1, 2])
    with pytest.raises(RetrievalInputError, match="key 'key': expected whole numbers"):
        read(opened(tmp_path, latest), [7])
    write(tmp_path / "v.parquet", [7.0, 1.0], [1, 2])
    assert read(opened(tmp_path, latest), [7, 1]) == [1, 2]
