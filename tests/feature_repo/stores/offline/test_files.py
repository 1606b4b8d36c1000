"""The as-of store writes whole files, reads remote ones, and says clearly what it does not do."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import fsspec  # type: ignore[import-untyped]
import pandas as pd
import pyarrow as pa
import pyarrow.fs as arrow_fs
import pyarrow.parquet as pq
import pytest
from feast import FeatureStore, FeatureView, Field, FileSource
from feast.data_format import DeltaFormat
from feast.errors import SavedDatasetLocationAlreadyExists
from feast.feature_logging import LoggingConfig
from feast.infra.offline_stores.bigquery_source import BigQuerySource
from feast.infra.offline_stores.file_source import FileLoggingDestination, SavedDatasetFileStorage
from feast.types import Float64

from feature_repo.stores.errors import RetrievalInputError, UnsupportedError
from feature_repo.stores.offline import AsOfOfflineStore
from tests.feature_repo.stores.offline.project import OURS, entity_rows, project, write
from tests.feature_repo.stores.offline.project import UTC as UTC_TYPE

_END = datetime(1970, 1, 3, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    write(tmp_path, "plain.parquet", {"key": [1, 2], "at": [2, 4], "raw": [1.0, 2.0], "label": ["x", None]})
    for file in ("pairs", "everyone", "named"):
        write(tmp_path, f"{file}.parquet", {"key": [], "name": [], "at": [], "made": [], "count": [], "level": []})
    write(tmp_path, "named.parquet", {"name": [], "at": [], "vector": []})
    return project(tmp_path, OURS, temp_folder=str(tmp_path))


def _job(store: FeatureStore, query: Any = None) -> Any:
    rows = entity_rows([(1, "a", 1, 4), (2, "a", 1, 3)]) if query is None else query
    return store.get_historical_features(rows, ["plain:value", "scaling:scaled"])


@pytest.mark.parametrize("path", ["kept.parquet", "kept", "memory://as_of/kept.parquet"])
def test_a_result_is_persisted_whole_or_not_at_all(
    store: FeatureStore, tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = SavedDatasetFileStorage(path)
    _job(store).persist(storage)
    kept = _job(store).to_arrow()
    assert kept["scaled"].to_pylist() == [2.0, None]
    with pytest.raises(SavedDatasetLocationAlreadyExists):
        _job(store).persist(storage)
    _job(store).persist(storage, allow_overwrite=True)
    if "://" in path:
        with fsspec.open(path) as file:
            assert pq.read_table(file).equals(kept)
        fsspec.filesystem("memory").rm("/as_of", recursive=True)
        return
    assert pq.read_table(tmp_path / path).equals(kept)

    def half(table: pa.Table, where: str, filesystem: arrow_fs.FileSystem) -> None:
        with filesystem.open_output_stream(where) as stream:
            stream.write(b"PAR1")
        raise OSError("disk full")

    monkeypatch.setattr(pq, "write_table", half)
    with pytest.raises(OSError, match="disk full"):
        _job(store).persist(storage, allow_overwrite=True)
    assert pq.read_table(tmp_path / path).equals(kept)
    assert not [found for found in tmp_path.rglob(".*") if found.name.startswith((".kept", ".part"))]


def test_a_saved_dataset_is_read_back(store: FeatureStore, tmp_path: Path) -> None:
    query = entity_rows([(1, "a", 1, 4)]).astype({"key": "int64", "other_key": "int64"})
    saved = store.create_saved_dataset(_job(store, query), "kept", SavedDatasetFileStorage("kept.parquet"))
    assert saved.to_df()["value"].to_list() == [1.0]


def test_written_rows_come_after_those_that_are_there(store: FeatureStore, tmp_path: Path) -> None:
    new = pa.table({"key": [1], "at": pa.array([2 * 43_200_000_000], UTC_TYPE), "raw": [7.0], "label": ["new"]})
    reported: list[int] = []
    view = store.get_feature_view("plain")
    AsOfOfflineStore.offline_write_batch(store.config, view, new, reported.append)
    assert reported == [1]
    assert pq.read_table(tmp_path / "plain.parquet")["raw"].to_pylist() == [1.0, 2.0, 7.0]
    assert _job(store).to_df()["value"].to_list()[0] == 7.0  # the last row of equal times
    with pytest.raises(RetrievalInputError, match=r"view plain: expected the source's columns \['key'"):
        AsOfOfflineStore.offline_write_batch(store.config, view, new.drop_columns(["at"]), None)
    (tmp_path / "plain.parquet").rename(tmp_path / "first.parquet")
    (tmp_path / "plain.parquet").mkdir()
    (tmp_path / "first.parquet").rename(tmp_path / "plain.parquet" / "first.parquet")
    for value in (8.0, 9.0):
        row = new.set_column(2, "raw", pa.array([value], pa.float32())).set_column(0, "key", pa.array([1], pa.int32()))
        AsOfOfflineStore.offline_write_batch(store.config, view, row, None)
        assert _job(store).to_df()["value"].to_list()[0] == value


def test_logged_features_are_added(store: FeatureStore, tmp_path: Path) -> None:
    config = LoggingConfig(destination=FileLoggingDestination(path=str(tmp_path / "log")))
    rows = pa.table({"key": [1, 2]})
    pq.write_table(rows, tmp_path / "rows.parquet")
    for data in (rows, tmp_path / "rows.parquet"):
        AsOfOfflineStore.write_logged_features(store.config, data, None, config, store.registry)
    assert pq.read_table(tmp_path / "log")["key"].to_pylist() == [1, 2, 1, 2]


def test_remote_files_are_read(store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """S3 goes through pyarrow's client; here a folder stands in for the bucket's server."""
    bucket = arrow_fs.SubTreeFileSystem(str(tmp_path), arrow_fs.LocalFileSystem())
    seen = []

    def client(path: str, endpoint: str, credentials: Any = None) -> tuple[Any, str]:
        seen.append(endpoint)
        return bucket, path

    monkeypatch.setattr(FileSource, "create_filesystem_and_path", staticmethod(client))
    with fsspec.open("memory://tables/part/one.parquet", "wb") as file:
        file.write((tmp_path / "plain.parquet").read_bytes())
    for path in ("memory://tables/part/one.parquet", "memory://tables/part", "s3://plain.parquet", "s3://*ain.parquet"):
        source = FileSource(path=path, timestamp_field="at", s3_endpoint_override="http://stand-in")
        job = AsOfOfflineStore.pull_all_from_table_or_query(store.config, source, ["key"], ["raw"], "at")
        assert job.to_df()["raw"].to_list() == [1.0, 2.0]
    assert seen == ["http://stand-in"] * 2


def test_a_query_gives_the_entity_rows(store: FeatureStore) -> None:
    query = "SELECT 1 AS key, TIMESTAMP '1970-01-03' AS event_timestamp, 2.0::DOUBLE AS factor, NULL::BIGINT AS other"
    assert _job(store, query).to_df()[["value", "scaled"]].to_numpy().tolist() == [[1.0, 2.0]]


def test_what_is_not_done_says_so(store: FeatureStore, tmp_path: Path) -> None:
    def retrieve(source: Any) -> None:
        view = FeatureView(name="odd", schema=[Field(name="level", dtype=Float64)], source=source)
        AsOfOfflineStore.get_historical_features(
            store.config, [view], ["odd:level"], entity_rows([]), store.registry, "shapes"
        )

    for source, found in (
        (FileSource(path="x", file_format=DeltaFormat(), timestamp_field="at"), "expected Parquet; found DeltaFormat"),
        (BigQuerySource(table="a.b", timestamp_field="at"), "expected a FileSource over Parquet; found BigQuerySource"),
        (FileSource(path="nowhere://x.parquet", timestamp_field="at"), "expected a file system for nowhere://"),
    ):
        with pytest.raises(UnsupportedError, match=found):
            retrieve(source)
    with pytest.raises(UnsupportedError, match="expected views of the same keys"):
        store.get_historical_features(None, ["plain:value", "named:vector"], end_date=_END)
    with pytest.raises(UnsupportedError, match="to_sql"):
        _job(store).to_sql()
    rows = entity_rows([(1, "a", 1, 4)])
    for wrong, message in (
        (rows.drop(columns="key"), r"view plain: expected its keys \['key'\] in entity_df"),
        (rows.assign(key="one"), "view plain, key key: expected INTEGER as in .*; found VARCHAR"),
        (rows.assign(value=1.0), r"found \['value'\] twice"),
        (rows.assign(event_timestamp="soon"), "expected times in column 'event_timestamp'"),
        (rows.assign(name=pd.Series([object()])), "expected columns of one type each"),
    ):
        with pytest.raises(RetrievalInputError, match=message):
            _job(store, wrong).to_arrow()
    write(tmp_path, "plain.parquet", {"key": [1], "at": [2], "label": ["x"]})
    with pytest.raises(RetrievalInputError, match="expected a column 'raw'; found key, at, label"):
        _job(store).to_arrow()
    write(tmp_path, "plain.parquet", {"key": [1], "name": ["now"], "raw": [1.0], "label": ["x"]})
    source = FileSource(path="plain.parquet", timestamp_field="name")
    job = AsOfOfflineStore.pull_latest_from_table_or_query(
        store.config, source, ["key"], ["raw"], "name", None, _END - timedelta(days=9), _END
    )
    with pytest.raises(RetrievalInputError, match="expected a timestamp in column 'name'; found VARCHAR"):
        job.to_arrow()
