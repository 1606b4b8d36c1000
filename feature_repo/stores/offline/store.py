"""`AsOfOfflineStore`: Feast's offline store for Parquet files, with fast point-in-time joins in bounded memory."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pandas as pd
import pyarrow as pa
from feast.data_source import DataSource
from feast.feature_logging import LoggingConfig, LoggingSource
from feast.feature_view import DUMMY_ENTITY_ID, DUMMY_ENTITY_VAL, FeatureView
from feast.infra.offline_stores.file_source import FileLoggingDestination
from feast.infra.offline_stores.offline_store import OfflineStore, RetrievalJob, RetrievalMetadata
from feast.infra.registry.base_registry import BaseRegistry
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.repo_config import FeastConfigBaseModel, RepoConfig
from feast.utils import compute_non_entity_date_range
from pydantic import PositiveInt, StrictStr

from feature_repo.stores.errors import RetrievalInputError, UnsupportedError
from feature_repo.stores.offline.engine import Bounds, connected
from feature_repo.stores.offline.entities import Entities, entities_of
from feature_repo.stores.offline.job import AsOfRetrievalJob
from feature_repo.stores.offline.join import features_as_of
from feature_repo.stores.offline.location import locate
from feature_repo.stores.offline.parquet import read_schemas
from feature_repo.stores.offline.pull import Pull, all_rows, latest_rows, versions
from feature_repo.stores.offline.requested import RequestedView, requested_views
from feature_repo.stores.offline.snapshot import snapshot_entities
from feature_repo.stores.offline.write import append, log
from models.time_units import microseconds


class AsOfOfflineStoreConfig(FeastConfigBaseModel):
    """Settings of ``offline_store`` in ``feature_store.yaml``."""

    type: StrictStr = "feature_repo.stores.offline.AsOfOfflineStore"
    memory_limit: StrictStr = "1GB"
    """DuckDB's memory; the rest spills to disk. Results themselves need additional memory."""
    threads: PositiveInt | None = None
    """DuckDB's threads; None = all cores."""
    temp_folder: Path | None = None
    """Folder to spill to; None = the system's temporary folder."""


class AsOfOfflineStore(OfflineStore):
    """Feast's point-in-time retrieval over Parquet ``FileSource``s, local or remote, by DuckDB's ASOF JOIN.

    Results keep the order of the entity rows and are deterministic. Of rows with one key and event time, the last by
    (created time, file name, row in the file) wins. Raises UnsupportedError for what it does not support.
    """

    supports_filter_by_created_timestamp = True

    @staticmethod
    def get_historical_features(
        config: RepoConfig,
        feature_views: list[FeatureView],
        feature_refs: list[str],
        entity_df: pd.DataFrame | str | None,
        registry: BaseRegistry,
        project: str,
        full_feature_names: bool = False,
        filter_by_created_timestamp: bool = False,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
    ) -> RetrievalJob:
        """The features of every entity row as of its time: event time <= time <= event time + TTL.

        ``entity_df``: a data frame, a SQL query for DuckDB, or None: every key with a row from ``start_date`` to
        ``end_date``, as of ``end_date``. Raises RetrievalInputError if columns are missing, collide or do not compare.
        """
        bounds = _bounds(config)
        views = requested_views(
            feature_views, feature_refs, config.repo_path, full_feature_names, filter_by_created_timestamp
        )
        if entity_df is None:
            start, end = compute_non_entity_date_range(feature_views, start_date, end_date)
            with connected(bounds) as connection:
                entities = snapshot_entities(connection, views, _microseconds(start), _microseconds(end))
        else:
            entities = entities_of(entity_df, bounds)
        _check_columns(entities, views)

        def evaluate(timeout: float | None) -> pa.Table:
            table = entities.table
            with connected(bounds, timeout) as connection:
                for view in views:
                    features = features_as_of(connection, view, entities)
                    for column in features.column_names:
                        table = table.append_column(column, features[column])
            return table

        first, last = entities.span()
        return AsOfRetrievalJob(
            evaluate,
            config.repo_path,
            OnDemandFeatureView.get_requested_odfvs(feature_refs, project, registry),
            full_feature_names,
            RetrievalMetadata(
                features=feature_refs,
                keys=[column for column in entities.table.column_names if column != entities.time],
                min_event_timestamp=_datetime(first),
                max_event_timestamp=_datetime(last),
            ),
        )

    @staticmethod
    def pull_latest_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None,
        start_date: datetime | None,
        end_date: datetime | None,
    ) -> RetrievalJob:
        """The last row of every key with an event time from ``start_date`` to ``end_date``, both inclusive."""
        columns = _Columns(join_key_columns, feature_name_columns, timestamp_field, created_timestamp_column)
        return _pull(latest_rows, config, data_source, columns, start_date, end_date)

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
        """Every row with an event time from ``start_date`` to ``end_date``, both inclusive, in file order.

        If ``materialization.pull_latest_features`` is off, Feast materializes from these rows and keeps an arbitrary
        one of a key's equal times: then only the last of a view's rows with equal key, event and created time is
        returned. A saved data set is returned whole.
        """
        materializing = data_source.timestamp_field == timestamp_field
        materializing &= not config.materialization_config.pull_latest_features
        columns = _Columns(join_key_columns, feature_name_columns, timestamp_field, created_timestamp_column)
        return _pull(versions if materializing else all_rows, config, data_source, columns, start_date, end_date)

    @staticmethod
    def offline_write_batch(
        config: RepoConfig, feature_view: FeatureView, table: pa.Table, progress: Callable[[int], Any] | None
    ) -> None:
        """Append rows to the view's source; they must have the source's columns, in their order.

        Raises RetrievalInputError if they do not, UnsupportedError if the source is a pattern.
        """
        if feature_view.batch_source is None:
            raise UnsupportedError(
                f"view {feature_view.name}: expected a batch source; found none. Give it a FileSource"
            )
        location = locate(feature_view.batch_source, config.repo_path)
        columns = next(iter(read_schemas(location).values())).names  # Feast would add columns from folder names
        if columns != table.column_names:
            raise RetrievalInputError(
                f"view {feature_view.name}: expected the source's columns {columns}; found {table.column_names}. "
                "Write all of them in their order"
            )
        append(location, table)
        if progress is not None:
            progress(table.num_rows)

    @staticmethod
    def write_logged_features(
        config: RepoConfig,
        data: pa.Table | Path,
        source: LoggingSource,
        logging_config: LoggingConfig,
        registry: BaseRegistry,
    ) -> None:
        """Append logged features to the folder of a FileLoggingDestination."""
        destination = logging_config.destination
        if not isinstance(destination, FileLoggingDestination):
            raise UnsupportedError(
                f"logging: expected a FileLoggingDestination; found {type(destination).__name__}. Log to a folder"
            )
        log(locate(destination.to_data_source(), config.repo_path), data, destination.partition_by)


class _Columns(NamedTuple):
    """Columns of a pull."""

    keys: list[str]
    features: list[str]
    time: str
    created: str | None


def _pull(
    rows: Callable[[duckdb.DuckDBPyConnection, Pull], pa.Table],
    config: RepoConfig,
    source: DataSource,
    columns: _Columns,
    start: datetime | None,
    end: datetime | None,
) -> AsOfRetrievalJob:
    """A job over one source. A view without entities gets Feast's dummy key, which materialization requires."""
    keys, features, time, created = columns
    pull = Pull(
        locate(source, config.repo_path),
        tuple(keys),
        tuple(dict.fromkeys([*keys, *features, time, *([created] if created else [])])),
        time,
        created or None,
        None if start is None else _microseconds(start),
        None if end is None else _microseconds(end),
    )

    def evaluate(timeout: float | None) -> pa.Table:
        with connected(_bounds(config), timeout) as connection:
            table = rows(connection, pull)
        return table if keys else table.append_column(DUMMY_ENTITY_ID, pa.array([DUMMY_ENTITY_VAL] * table.num_rows))

    return AsOfRetrievalJob(evaluate, config.repo_path, field_mapping=dict(source.field_mapping))


def _check_columns(entities: Entities, views: list[RequestedView]) -> None:
    """Raise RetrievalInputError if a key is missing, or a feature has the name of another column."""
    present = entities.table.column_names
    for view in views:
        missing = [column for _, column in view.keys if column not in present]
        if missing:
            raise RetrievalInputError(
                f"view {view.name}: expected its keys {missing} in entity_df; found the columns {present}. Add them"
            )
    columns = [*present, *(column for view in views for _, column in view.features)]
    duplicates = sorted({column for column in columns if columns.count(column) > 1})
    if duplicates:
        raise RetrievalInputError(
            f"features: expected every column once; found {duplicates} twice. Drop them from entity_df, or use "
            "full_feature_names=True"
        )


def _bounds(config: RepoConfig) -> Bounds:
    settings: AsOfOfflineStoreConfig = config.offline_store
    return Bounds(settings.memory_limit, settings.threads, settings.temp_folder)


def _microseconds(time: datetime) -> int:
    """Microseconds UTC; a time without a zone is in the machine's, as in Feast."""
    return microseconds(time.astimezone(UTC))


def _datetime(time: int | None) -> datetime | None:
    return None if time is None else pd.Timestamp(time, unit="us", tz="UTC").to_pydatetime()
