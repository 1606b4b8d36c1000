"""The newest row of every key of a view, as the configured offline store pulls it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from feature_repo.as_of import join_keys, last_visible
from feature_repo.quality import Record

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
OLDEST = datetime(1678, 1, 1, tzinfo=UTC)
"""The start of everything: the first year that pandas' nanoseconds hold, through which Feast passes times."""

_TIMESTAMP = pa.timestamp("us", tz="UTC")


def microseconds(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column of times as int64 microseconds UTC; null where there is none."""
    return column.cast(_TIMESTAMP).cast(pa.int64())


def interval(view: Any, until: int, last: Record | None = None) -> tuple[datetime, datetime]:
    """The closed interval of event times that are visible at ``until`` and have not outlived the view's TTL.

    Nor must they have outlived it by the ``last`` run: an earlier moment does not bring back what a later one left out.
    """
    end = EPOCH + timedelta(microseconds=last_visible(until))
    if not view.ttl:
        return OLDEST, end
    latest = max(until, last.until) if last else until
    return EPOCH + timedelta(microseconds=last_visible(latest)) - view.ttl, end


def newest_rows(store: Any, view: Any, start: datetime, end: datetime) -> pa.Table:
    """Keys, features, event time and created time of the newest row of every key within the closed interval."""
    from feast.infra.offline_stores.offline_utils import get_offline_store_from_config

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
    return job.to_arrow()


def arrived(rows: pa.Table, view: Any, last: Record, overlap: timedelta) -> np.ndarray:
    """Which rows the ``last`` run may not have written: (rows,) bool. ``materialize`` says what this misses."""
    source = view.batch_source
    back = overlap // timedelta(microseconds=1)
    times = microseconds(rows[source.timestamp_field]).to_numpy()
    if not source.created_timestamp_column or last.created is None:
        return times >= last.until - back
    # A row without a created time may have been written at any time.
    created = microseconds(rows[source.created_timestamp_column]).fill_null(np.iinfo(np.int64).max).to_numpy()
    return (times >= last.until) | (created >= last.created - back)


def newest_moment(rows: pa.Table, column: str, latest: int) -> int | None:
    """The last time in a column that is not after ``latest``, in microseconds; None where there is none."""
    moments = microseconds(rows[column])
    return pc.max(moments.filter(pc.less_equal(moments, latest))).as_py()


def rows_ahead(view: Any, latest: int) -> int:
    """How many rows of a view's file are later than ``latest`` (microseconds); its statistics say where to look."""
    file = pq.ParquetFile(view.batch_source.path)
    column = view.batch_source.timestamp_field
    place = file.schema_arrow.names.index(column)
    groups = [group for group in range(file.num_row_groups) if _may_be_after(file, group, place, latest)]
    if not groups:
        return 0
    moments = microseconds(file.read_row_groups(groups, columns=[column])[column])
    return pc.sum(pc.greater(moments, latest)).as_py() or 0


def _may_be_after(file: pq.ParquetFile, group: int, place: int, latest: int) -> bool:
    """False where a row group says that it has no time after ``latest``."""
    schema = file.schema
    leaf = next(n for n in range(len(schema)) if schema.column(n).path == file.schema_arrow.names[place])
    statistics = file.metadata.row_group(group).column(leaf).statistics
    if statistics is None or not statistics.has_min_max:
        return True
    return bool(pc.max(microseconds(pa.chunked_array([pa.array([statistics.max])]))).as_py() > latest)


def end_of_files(views: list[Any], latest: int) -> int:
    """Just after the last row of every view's file, in microseconds; the epoch if there is none.

    Rows later than ``latest`` do not count.
    """
    columns = [(view.batch_source.path, view.batch_source.timestamp_field) for view in views]
    ends = [newest_moment(pq.read_table(path, columns=[column]), column, latest) for path, column in columns]
    return max((end + 1 for end in ends if end is not None), default=0)
