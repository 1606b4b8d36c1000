"""Feast's Spark offline store over the file sources of an embedded project: the same definitions on a cluster.

Feast's own store asks for a ``SparkSource`` where every other asks for a ``FileSource``. Here a view's file source
becomes one at the moment of a query, so that neither definitions nor registry know which engine reads them. Two faults
of Feast 0.67 are repaired on the way: keys that read the same when written together share their answers, and answers
pass through pandas, where integers beside nulls turn into floats and NaN into null.
"""

import contextlib
import copy
import io
import warnings
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from feast import FeatureView, FileSource, RepoConfig
from feast.data_format import ParquetFormat
from feast.data_source import DataSource
from feast.infra.offline_stores.contrib.spark_offline_store import spark
from feast.infra.offline_stores.contrib.spark_offline_store.spark_source import SparkSource
from feast.infra.offline_stores.offline_store import RetrievalJob
from pydantic import StrictStr

from feature_repo.stores.errors import UnsupportedError

_ZONE = "spark.sql.session.timeZone"
_UTC = {"UTC", "Etc/UTC", "GMT", "Z", "+00:00"}


class SparkFileOfflineStoreConfig(spark.SparkOfflineStoreConfig):
    """Feast's settings of its Spark store: ``spark_conf`` (of a session that is started here), ``staging_location``."""

    type: StrictStr = "feature_repo.stores.offline.spark.SparkFileOfflineStore"


class SparkFileOfflineStore(spark.SparkOfflineStore):
    """Feast's Spark store that reads ``FileSource`` too.

    It takes the process's Spark session, or starts one from ``spark_conf`` and Spark's own configuration. Unlike the
    as-of store, it multiplies an entity row whose newest feature rows are equal in event and created time.
    """

    @staticmethod
    def get_historical_features(
        config: RepoConfig,
        feature_views: list[FeatureView],
        feature_refs: list[str],
        entity_df: Any,
        registry: Any,
        project: str,
        full_feature_names: bool = False,
        filter_by_created_timestamp: bool = False,
        **options: Any,
    ) -> RetrievalJob:
        """Feast's point-in-time join. Raises UnsupportedError for a session that is not in UTC."""
        with _session_in_utc(config):
            job = spark.SparkOfflineStore.get_historical_features(
                config,
                [_view_on_spark(view, config) for view in feature_views],
                feature_refs,
                entity_df,
                registry,
                project,
                full_feature_names,
                filter_by_created_timestamp,
                **options,
            )
        # Feast joins by its keys' texts in one string: (1, 11) is (11, 1). A row of texts tells them apart.
        job.query = job.query.replace(",CONCAT(", ",STRUCT(")
        return _ArrowJob.of(job)

    @staticmethod
    def pull_latest_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None,
        start_date: datetime,
        end_date: datetime,
    ) -> RetrievalJob:
        """The newest row of each key in the closed interval. Raises UnsupportedError for a session not in UTC."""
        columns = (join_key_columns, feature_name_columns, timestamp_field, created_timestamp_column)
        with _session_in_utc(config):
            source = _source_on_spark(data_source, config)
            job = spark.SparkOfflineStore.pull_latest_from_table_or_query(
                config, source, *columns, start_date, end_date
            )
        return _ArrowJob.of(job)

    @staticmethod
    def pull_all_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None = None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
    ) -> RetrievalJob:
        """All rows in the closed interval. Raises UnsupportedError for a session that is not in UTC."""
        columns = (join_key_columns, feature_name_columns, timestamp_field, created_timestamp_column)
        with _session_in_utc(config):
            source = _source_on_spark(data_source, config)
            job = spark.SparkOfflineStore.pull_all_from_table_or_query(config, source, *columns, start_date, end_date)
        return _ArrowJob.of(job)

    @staticmethod
    def offline_write_batch(config: RepoConfig, feature_view: FeatureView, table: pa.Table, progress: Any) -> None:
        """Refused: Spark appends to folders, and a file source is one file. Raises UnsupportedError."""
        raise UnsupportedError(
            f"view {feature_view.name}: expected a store that appends to its file; found Spark. "
            "Write the table anew, or push with the as-of store"
        )


class _ArrowJob(spark.SparkRetrievalJob):
    """A Spark answer that reaches Arrow without pandas."""

    @classmethod
    def of(cls, job: spark.SparkRetrievalJob) -> "_ArrowJob":
        views: Sequence[Any] = job.on_demand_feature_views
        return cls(job.spark_session, job.query, job.full_feature_names, job._config, list(views), job.metadata)

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:
        if self._should_use_staging_for_arrow():
            return super()._to_arrow_internal(timeout)
        return self.to_spark_df().toArrow()


@contextlib.contextmanager
def _session_in_utc(config: RepoConfig) -> Iterator[None]:
    """Start or take the session, without what Feast prints and warns of at every question.

    Feast writes moments into its SQL as UTC without saying so: in another zone it would answer with other rows.
    """
    session = spark.get_spark_session_or_start_new_with_repoconfig(config.offline_store)
    zone = session.conf.get(_ZONE)
    if zone not in _UTC:
        raise UnsupportedError(
            f"{_ZONE}: expected UTC; found {zone}. Set it in spark_conf, or on the session that runs already"
        )
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.filterwarnings("ignore", message="The spark (offline store|data source)")
        yield


def _view_on_spark(view: FeatureView, config: RepoConfig) -> FeatureView:
    on_spark = copy.copy(view)
    on_spark.batch_source = _source_on_spark(view.batch_source, config)
    return on_spark


def _source_on_spark(source: DataSource, config: RepoConfig) -> DataSource:
    """A file source as Spark reads it; any other source as it is."""
    if not isinstance(source, FileSource):
        return source
    if not isinstance(source.file_format, ParquetFormat | None):
        raise UnsupportedError(f"source {source.name}: expected Parquet; found {source.file_format}. Use a SparkSource")
    return SparkSource(
        name=source.name,
        path=_address(FileSource.get_uri_for_file_path(config.repo_path, source.path)),
        file_format="parquet",
        timestamp_field=source.timestamp_field,
        created_timestamp_column=source.created_timestamp_column,
        field_mapping=source.field_mapping,
    )


def _address(path: str) -> str:
    """A path as an address, so that Spark's default file system does not matter; S3 by Hadoop's name for it."""
    if "://" not in path:
        return Path(path).absolute().as_uri()
    return path.replace("s3://", "s3a://", 1)
