"""Feast's Spark offline store over ``FileSource``s: the definitions of an embedded project, unchanged, on a cluster.

Feast's own Spark store requires a ``SparkSource``. Here a view's file source is converted at query time, so that
definitions and registry do not depend on the engine. It also works around two bugs of Feast 0.67: keys whose
concatenated text is equal share their results, and results pass through pandas, which turns integers with nulls into
floats and NaN into null.
"""

import contextlib
import io
import warnings
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
from feast import FeatureView, RepoConfig
from feast.data_source import DataSource
from feast.infra.offline_stores.contrib.spark_offline_store import spark
from feast.infra.offline_stores.offline_store import RetrievalJob
from pydantic import StrictStr

from feature_repo.stores.errors import UnsupportedError
from feature_repo.stores.offline.exact import ExactRetrievalJob, noted, on_demand_names
from feature_repo.stores.offline.spark_source import check_keys, source_on_spark, view_on_spark

_ZONE = "spark.sql.session.timeZone"
_UTC = {"UTC", "Etc/UTC", "GMT", "Z", "+00:00"}


class SparkFileOfflineStoreConfig(spark.SparkOfflineStoreConfig):
    """Settings of Feast's Spark store: ``spark_conf`` (for a session started here), ``staging_location``."""

    type: StrictStr = "feature_repo.stores.offline.spark.SparkFileOfflineStore"


class SparkFileOfflineStore(spark.SparkOfflineStore):
    """Feast's Spark store that also reads ``FileSource``.

    Uses the process's Spark session, or starts one from ``spark_conf`` and Spark's own configuration. As in the as-of
    store, of a key's rows with equal event and created time the last one wins.
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
        """Feast's point-in-time join.

        Raises UnsupportedError for a session that is not in UTC, RetrievalInputError for keys that do not compare
        exactly.
        """
        with _session_in_utc(config) as session:
            views = [view_on_spark(view, config) for view in feature_views]
            for view in views if entity_df is not None else []:
                check_keys(session, view, entity_df)
            job = spark.SparkOfflineStore.get_historical_features(
                config,
                views,
                feature_refs,
                entity_df,
                registry,
                project,
                full_feature_names,
                filter_by_created_timestamp,
                **options,
            )
        # Feast joins on the concatenated text of the keys, where (1, 11) equals (11, 1); a struct keeps them apart.
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
            source = source_on_spark(data_source, config, join_key_columns)
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
            # With pull_latest_features off, Feast materializes from these rows.
            materializing = data_source.timestamp_field == timestamp_field
            materializing &= not config.materialization_config.pull_latest_features
            source = source_on_spark(data_source, config, join_key_columns if materializing else None)
            job = spark.SparkOfflineStore.pull_all_from_table_or_query(config, source, *columns, start_date, end_date)
        return _ArrowJob.of(job)

    @staticmethod
    def offline_write_batch(config: RepoConfig, feature_view: FeatureView, table: pa.Table, progress: Any) -> None:
        """Unsupported: Spark appends to folders, and a file source is one file. Raises UnsupportedError."""
        raise UnsupportedError(
            f"view {feature_view.name}: expected a store that appends to its file; found Spark. "
            "Rewrite the table, or push with the as-of store"
        )


class _ArrowJob(ExactRetrievalJob, spark.SparkRetrievalJob):
    """A Spark result that is converted to Arrow without pandas, and to pandas with exact integers."""

    @classmethod
    def of(cls, job: spark.SparkRetrievalJob) -> "_ArrowJob":
        views: Sequence[Any] = job.on_demand_feature_views
        return cls(job.spark_session, job.query, job.full_feature_names, job._config, list(views), job.metadata)

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:
        staged = self._should_use_staging_for_arrow()
        table = super()._to_arrow_internal(timeout) if staged else self.to_spark_df().toArrow()
        return noted(table, on_demand_names(self.on_demand_feature_views))


@contextlib.contextmanager
def _session_in_utc(config: RepoConfig) -> Iterator[Any]:
    """Take or start the session, and silence what Feast prints and warns on every query.

    Feast writes UTC times without a zone into its SQL: a session in another zone would return other rows.
    """
    session = spark.get_spark_session_or_start_new_with_repoconfig(config.offline_store)
    zone = session.conf.get(_ZONE)
    if zone not in _UTC:
        raise UnsupportedError(f"{_ZONE}: expected UTC; found {zone}. Set it in spark_conf, or on the running session")
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.filterwarnings("ignore", message="The spark (offline store|data source)")
        yield session
