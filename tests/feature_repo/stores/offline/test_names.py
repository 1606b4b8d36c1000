"""A value comes out of a file's own columns: not out of its path, its place, or a column that is only spelled alike."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import Entity, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.feature_logging import LoggingConfig
from feast.infra.offline_stores.file_source import FileLoggingDestination
from feast.types import Int64

from feature_repo.stores.errors import RetrievalInputError
from feature_repo.stores.offline import AsOfOfflineStore

AT = datetime(2026, 1, 1, tzinfo=UTC)
TIME = pa.timestamp("us", tz="UTC")


def config(folder: Path) -> RepoConfig:
    return RepoConfig(
        project="names",
        provider="local",
        registry=str(folder / "registry"),
        offline_store={"type": "feature_repo.stores.offline.AsOfOfflineStore"},
        entity_key_serialization_version=3,
    )


def rows(**columns: Any) -> pa.Table:
    """Two rows of keys 1 and 2, with ``clicked`` 1 and 1, and more columns."""
    return pa.table({"key": [1, 2], "at": pa.array([AT, AT], TIME), "clicked": [1, 1], **columns})


def write(table: pa.Table, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
    return path


def retrieve(
    folder: Path, path: Path | str, key: str = "key", feature: str = "clicked", keys: Any = (1, 2)
) -> pa.Table:
    """The feature of keys 1 and 2 as of AT."""
    source = FileSource(name="s", path=str(path), timestamp_field="at")
    entity = Entity(name=key, join_keys=[key], value_type=ValueType.INT64)
    view = FeatureView(
        name="v",
        entities=[entity],
        schema=[Field(name=key, dtype=Int64), Field(name=feature, dtype=Int64)],
        source=source,
    )
    view.entity_columns = [Field(name=key, dtype=Int64)]
    frame = pd.DataFrame({key: keys, "event_timestamp": [AT] * len(keys)})
    job = AsOfOfflineStore.get_historical_features(
        config(folder), [view], [f"v:{feature}"], frame, _Registry(), "names"
    )
    return job.to_arrow()


class _Registry:
    def list_on_demand_feature_views(self, *_: Any, **__: Any) -> list[Any]:
        return []


def pulled(folder: Path, path: Path | str, feature: str = "clicked") -> list[Any]:
    """The same by both pulls."""
    source = FileSource(name="s", path=str(path), timestamp_field="at")
    found = [
        pull(config(folder), source, ["key"], [feature], "at", None, AT, AT).to_arrow()[feature].to_pylist()
        for pull in (
            AsOfOfflineStore.pull_all_from_table_or_query,
            AsOfOfflineStore.pull_latest_from_table_or_query,
        )
    ]
    assert found[0] == found[1]
    return found[0]


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("clicked=0/x.parquet", "clicked=0/x.parquet"),
        ("x/clicked=0/date=2024-01-01/part.parquet", "x"),
        ("x/clicked=0/part.parquet", "x/*/*.parquet"),
        ("x/clicked=0/part.parquet", "x/**/*.parquet"),
        ("a[1]b/x.parquet", "a[1]b/x.parquet"),
        ("a*b/clicked=0/x.parquet", "a*b"),
        ("file://clicked=0/x.parquet", "clicked=0/x.parquet"),
    ],
)
def test_folders_are_no_columns_and_paths_no_patterns(tmp_path: Path, file: str, source: str) -> None:
    write(rows(clicked=[5, 5]), tmp_path / "a1b" / "x.parquet")
    write(rows(), tmp_path / file.removeprefix("file://"))
    path = f"file://{tmp_path / source}" if file.startswith("file://") else tmp_path / source
    assert retrieve(tmp_path, path)["clicked"].to_pylist() == [1, 1]
    assert pulled(tmp_path, path) == [1, 1]


def test_a_column_that_only_a_folder_names_is_missing(tmp_path: Path) -> None:
    write(rows().drop_columns(["clicked"]), tmp_path / "x" / "clicked=0" / "part.parquet")
    with pytest.raises(RetrievalInputError, match=r"expected a column 'clicked'; found key, at.*a folder's name"):
        retrieve(tmp_path, tmp_path / "x")


def test_drafts_below_a_folder_are_not_read(tmp_path: Path) -> None:
    write(rows(), tmp_path / "x" / "part.parquet")
    for draft in ("_temporary/part.parquet", ".part.parquet", "_part.parquet"):
        write(rows(clicked=[7, 7]), tmp_path / "x" / draft)
    assert pulled(tmp_path, tmp_path / "x") == [1, 1]


@pytest.mark.parametrize("name", ["t", "k0", "row", "created", "file", "number", "filename", "rowid", "newest", "f0"])
def test_a_column_may_be_called_as_one_of_ours(tmp_path: Path, name: str) -> None:
    """As a feature, and as the key."""
    path = write(rows(**{name: [30, 40]}), tmp_path / "x.parquet")
    assert retrieve(tmp_path, path, feature=name)[name].to_pylist() == [30, 40]
    assert pulled(tmp_path, path, name) == [30, 40]
    assert retrieve(tmp_path, path, key=name, keys=(30, 40))["clicked"].to_pylist() == [1, 1]


@pytest.mark.parametrize("name", ["file_row_number", "file_index", "FILE_INDEX"])
def test_the_names_of_places_are_refused(tmp_path: Path, name: str) -> None:
    path = write(rows(**{name: [30, 40]}), tmp_path / "x.parquet")
    with pytest.raises(RetrievalInputError, match=f"expected columns other than .*; found {name}"):
        pulled(tmp_path, path)


def test_columns_that_are_spelled_alike_are_refused(tmp_path: Path) -> None:
    path = write(rows(CLICKED=[8, 9], Other=[1, 1], other=[2, 2]), tmp_path / "x.parquet")
    for column in ("clicked", "CLICKED"):
        with pytest.raises(RetrievalInputError, match=f"expected one column '{column}'; found CLICKED, clicked"):
            pulled(tmp_path, path, column)
    write(rows(), tmp_path / "y" / "a.parquet")
    write(rows().rename_columns(["key", "at", "Clicked"]), tmp_path / "y" / "b.parquet")
    with pytest.raises(RetrievalInputError, match="expected one column 'clicked'; found Clicked, clicked"):
        pulled(tmp_path, tmp_path / "y")


def test_logged_features_keep_the_columns_of_their_folders(tmp_path: Path) -> None:
    destination = FileLoggingDestination(path=str(tmp_path / "log"), partition_by=["clicked", "day"])
    table = rows(day=["01", "1"])
    AsOfOfflineStore.write_logged_features(config(tmp_path), table, None, LoggingConfig(destination=destination), None)
    assert pulled(tmp_path, tmp_path / "log", "day") == ["01", "1"]
    assert sorted(path.parent.name for path in (tmp_path / "log").rglob("*.parquet")) == ["day=01", "day=1"]


def test_a_file_below_a_folder_of_keys_takes_rows(tmp_path: Path) -> None:
    path = write(rows(), tmp_path / "clicked=0" / "day=1" / "x.parquet")
    view = FeatureView(
        name="v",
        schema=[Field(name="clicked", dtype=Int64)],
        source=FileSource(name="s", path=str(path), timestamp_field="at"),
    )
    AsOfOfflineStore.offline_write_batch(config(tmp_path), view, rows(clicked=[3, 4]), None)
    assert pq.ParquetFile(path).read()["clicked"].to_pylist() == [1, 1, 3, 4]
    view.batch_source = FileSource(name="s", path=str(tmp_path / "clicked=0"), timestamp_field="at")
    AsOfOfflineStore.offline_write_batch(config(tmp_path), view, rows(clicked=[5, 6]), None)
    parts = sorted((tmp_path / "clicked=0").rglob("*.parquet"))
    assert [pq.ParquetFile(part).read()["clicked"].to_pylist() for part in parts] == [[1, 1, 3, 4], [5, 6]]
