"""The newest row of every key of a view, from the configured offline store, and times in a view's file."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow.fs import LocalFileSystem, copy_files

from feature_repo.as_of import join_keys, last_visible
from feature_repo.packed.layout import layout_of
from feature_repo.quality import LastRun
from feature_repo.views.times import column_microseconds
from models.storage import file_system, is_remote, join
from models.time_units import duration, moment

_HERE = LocalFileSystem()
OLDEST = datetime(1678, 1, 1, tzinfo=UTC)
"""Start of all intervals: the first year in pandas' nanoseconds, through which Feast passes times."""


def interval(view: Any, until: int, last: LastRun | None = None) -> tuple[datetime, datetime]:
    """The closed interval of event times visible at ``until`` (microseconds UTC) and within the view's TTL.

    Rows that had expired by the ``last`` run stay out, so that a run with an earlier ``until`` does not restore them.
    """
    end = moment(last_visible(until))
    if not view.ttl:
        return OLDEST, end
    latest = max(until, last.until) if last else until
    return moment(last_visible(latest)) - view.ttl, end


def newest_rows(store: Any, view: Any, start: datetime, end: datetime) -> pa.Table:
    """Keys, features, event time and created time of the newest row of every key within the closed interval.

    Without keys of forgotten members (``feature_repo.forgotten``).
    """
    from feast.infra.offline_stores.offline_utils import get_offline_store_from_config

    from feature_repo.stores.online.bulk import left_online

    source = view.batch_source
    job = get_offline_store_from_config(store.config.offline_store).pull_latest_from_table_or_query(
        config=store.config,
        data_source=source,
        join_key_columns=join_keys(view),
        feature_name_columns=[field.name for field in view.features],
        timestamp_field=source.timestamp_field,
        created_timestamp_column=source.created_timestamp_column or None,
        start_date=start,
        end_date=end,
    )
    return left_online(store, layout_of(view), job.to_arrow())


def arrived(rows: pa.Table, view: Any, last: LastRun, overlap: timedelta) -> np.ndarray:
    """Which rows the ``last`` run may not have written: (rows,) bool. ``materialize`` documents what this misses."""
    source = view.batch_source
    back = duration(overlap)
    times = column_microseconds(rows[source.timestamp_field]).to_numpy()
    if last.seen is None:
        return np.ones(len(times), bool)
    if not source.created_timestamp_column or last.created is None:
        return times >= last.seen - back
    # A row without a created time may have been written at any time.
    created = column_microseconds(rows[source.created_timestamp_column]).fill_null(np.iinfo(np.int64).max).to_numpy()
    return (times >= last.seen) | (created >= last.created - back)


def newest_time(rows: pa.Table, column: str, latest: int) -> int | None:
    """The last time in a column that is not after ``latest``, in microseconds UTC; None if there is none."""
    times = column_microseconds(rows[column])
    return pc.max(times.filter(pc.less_equal(times, latest))).as_py()


def rows_ahead(view: Any, latest: int) -> int:
    """How many rows of a view's file are later than ``latest`` (microseconds UTC); reads only row groups with such."""
    system, path = file_system(view.batch_source.path)
    file = pq.ParquetFile(path, filesystem=system)
    column = view.batch_source.timestamp_field
    place = file.schema_arrow.names.index(column)
    groups = [group for group in range(file.num_row_groups) if _may_be_after(file, group, place, latest)]
    if not groups:
        return 0
    times = column_microseconds(file.read_row_groups(groups, columns=[column])[column])
    return pc.sum(pc.greater(times, latest)).as_py() or 0


def _may_be_after(file: pq.ParquetFile, group: int, place: int, latest: int) -> bool:
    """False if a row group's statistics rule out any time after ``latest``."""
    schema = file.schema
    leaf = next(n for n in range(len(schema)) if schema.column(n).path == file.schema_arrow.names[place])
    statistics = file.metadata.row_group(group).column(leaf).statistics
    if statistics is None or not statistics.has_min_max:
        return True
    return bool(pc.max(column_microseconds(pa.chunked_array([pa.array([statistics.max])]))).as_py() > latest)


def end_of_files(views: list[Any], latest: int) -> int | None:
    """Just after the last row of all views' files that is not after ``latest``, microseconds UTC; None without rows."""
    columns = [(view.batch_source.path, view.batch_source.timestamp_field) for view in views]
    ends = [newest_time(_column(address, column), column, latest) for address, column in columns]
    return max((end + 1 for end in ends if end is not None), default=None)


def _column(address: str, column: str) -> pa.Table:
    """One column of the Parquet file at an address."""
    system, path = file_system(address)
    return pq.read_table(path, columns=[column], filesystem=system)


def local_tables(address: str, tables: Iterable[str], copies: Path) -> Path:
    """A folder on this machine with these canonical tables: theirs, or ``copies`` of those in object storage."""
    if not is_remote(address):
        return Path(file_system(address)[1])
    for table in tables:
        system, path = file_system(join(address, f"{table}.parquet"))
        copy_files(path, str(copies / f"{table}.parquet"), source_filesystem=system, destination_filesystem=_HERE)
    return copies
