"""Features strictly before a time: the one place that turns Heliograph's exclusive time into Feast's inclusive one."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from feature_repo.views.times import TIMESTAMP

_TIME = "event_timestamp"
_ROW = "row"


class RetrievalError(RuntimeError):
    """Raised when the features of a training set cannot be retrieved from the store."""


def last_visible(time: Any) -> Any:
    """The latest event time visible at ``time`` (int or int64 array, microseconds): Feast's bound is inclusive."""
    return time - 1


def features_as_of(
    store: Any, keys: Mapping[str, np.ndarray], times: np.ndarray, views: Sequence[str]
) -> dict[str, pa.ChunkedArray]:
    """Retrieve the features of ``views`` strictly before each row's time: (rows,) by feature, in the order of the rows.

    ``keys`` holds the views' join keys by name, (rows,) each; ``times`` is (rows,) int64 microseconds UTC. A feature is
    null if its key has no visible row, if that row has outlived the view's TTL, or if the key itself is null. Views
    must not share a feature name. Every point-in-time value of Heliograph comes through this function.

    Raises RetrievalError if Feast returns a wrong number of rows.
    """
    by_keys: dict[tuple[str, ...], list[Any]] = {}
    for name in views:
        view = store.get_feature_view(name)
        by_keys.setdefault(tuple(sorted(join_keys(view))), []).append(view)
    columns: dict[str, pa.ChunkedArray] = {}
    for names, group in by_keys.items():
        entities = pd.DataFrame({name: keys[name] for name in names})
        entities[_TIME] = last_visible(times)
        # Retrieval costs per row and per call: one row per distinct (keys, time), one call for views of the same keys.
        position = entities.groupby(list(entities.columns), sort=False).ngroup().fillna(-1).to_numpy(np.int64)
        distinct = entities[position >= 0].drop_duplicates().reset_index(drop=True)
        distinct[_TIME] = pd.to_datetime(distinct[_TIME], unit="us", utc=True).astype("datetime64[us, UTC]")
        retrieved = _retrieve(store, distinct, group) if len(distinct) else None
        places = pa.array(position, mask=position < 0)
        for field in [field for view in group for field in view.features]:
            kind = arrow_type(field.dtype)
            column = retrieved[field.name].cast(kind) if retrieved is not None else pa.chunked_array([], type=kind)
            columns[field.name] = column if len(distinct) == len(places) else column.take(places)
    return columns


def join_keys(view: Any) -> list[str]:
    """Names of a view's join keys; empty if it has no entity."""
    from feast.feature_view import DUMMY_ENTITY_ID

    return [column.name for column in view.entity_columns if column.name != DUMMY_ENTITY_ID]


def _retrieve(store: Any, rows: pd.DataFrame, views: Sequence[Any]) -> pa.Table:
    """The features of views for distinct rows, in their order."""
    job = store.get_historical_features(
        entity_df=rows.assign(**{_ROW: np.arange(len(rows))}),
        features=[f"{view.name}:{field.name}" for view in views for field in view.features],
    )
    table = job.to_arrow()
    if not np.array_equal(table[_ROW].to_numpy(), np.arange(table.num_rows)):  # the as-of store keeps the order
        table = table.sort_by(_ROW)
    if table.num_rows != len(rows):
        names = ", ".join(view.name for view in views)
        raise RetrievalError(f"views {names}: expected {len(rows)} rows from Feast; found {table.num_rows}")
    return table


def arrow_type(dtype: Any) -> pa.DataType:
    """Arrow type of a Feast type that our definitions use."""
    from feast.types import Array, Float32, Int64, String, UnixTimestamp

    types = {Float32: pa.float32(), Int64: pa.int64(), String: pa.string(), UnixTimestamp: TIMESTAMP}
    return pa.list_(types[dtype.base_type]) if isinstance(dtype, Array) else types[dtype]
