"""The one place where Heliograph's strict time meets Feast's: a row valid at t is not visible at t."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from feature_repo.errors import RetrievalError

_TIME = "event_timestamp"
_ROW = "row"


def last_visible(time: Any) -> Any:
    """The latest time visible at ``time`` (int or int64 array, microseconds): Feast's own bound is inclusive."""
    return time - 1


def features_as_of(
    store: Any, keys: Mapping[str, np.ndarray], times: np.ndarray, views: Sequence[str]
) -> dict[str, pa.ChunkedArray]:
    """Feature columns of ``views`` as they were strictly before each row's moment, in the order of the rows.

    ``keys`` holds the views' join keys by name, (rows,) each; ``times`` is (rows,) int64 microseconds UTC. A feature is
    null where no row of its key is visible, where the visible one has outlived the view's TTL, or where the key itself
    is missing. No two of the views may share a feature's name. Every point-in-time value of Heliograph comes through
    this function. Raises RetrievalError if Feast answers with other rows than were asked.
    """
    by_keys: dict[tuple[str, ...], list[Any]] = {}
    for name in views:
        view = store.get_feature_view(name)
        by_keys.setdefault(tuple(sorted(join_keys(view))), []).append(view)
    columns: dict[str, pa.ChunkedArray] = {}
    for names, alike in by_keys.items():
        asked = pd.DataFrame({name: keys[name] for name in names})
        asked[_TIME] = last_visible(times)
        # One question per distinct (key, moment), and one call for all views of the same keys: each has its own cost.
        position = asked.groupby(list(asked.columns), sort=False).ngroup().fillna(-1).to_numpy(np.int64)
        distinct = asked[position >= 0].drop_duplicates().reset_index(drop=True)
        distinct[_TIME] = pd.to_datetime(distinct[_TIME], unit="us", utc=True).astype("datetime64[us, UTC]")
        answer = _ask(store, distinct, alike) if len(distinct) else None
        places = pa.array(position, mask=position < 0)
        for field in [field for view in alike for field in view.features]:
            kind = arrow_type(field.dtype)
            column = answer[field.name].cast(kind) if answer is not None else pa.chunked_array([], type=kind)
            columns[field.name] = column if len(distinct) == len(places) else column.take(places)
    return columns


def join_keys(view: Any) -> list[str]:
    """The names of a view's join keys: none where it has no entity."""
    from feast.feature_view import DUMMY_ENTITY_ID

    return [column.name for column in view.entity_columns if column.name != DUMMY_ENTITY_ID]


def _ask(store: Any, rows: pd.DataFrame, views: Sequence[Any]) -> pa.Table:
    """The features of views for distinct rows, in their order."""
    job = store.get_historical_features(
        entity_df=rows.assign(**{_ROW: np.arange(len(rows))}),
        features=[f"{view.name}:{field.name}" for view in views for field in view.features],
    )
    answer = job.to_arrow()
    if not np.array_equal(answer[_ROW].to_numpy(), np.arange(answer.num_rows)):  # our own store keeps their order
        answer = answer.sort_by(_ROW)
    if answer.num_rows != len(rows):
        names = ", ".join(view.name for view in views)
        raise RetrievalError(f"views {names}: expected {len(rows)} rows from Feast; found {answer.num_rows}")
    return answer


def arrow_type(dtype: Any) -> pa.DataType:
    """The Arrow type of a Feast type that our definitions use."""
    from feast.types import Array, Float32, Int64, String

    types = {Float32: pa.float32(), Int64: pa.int64(), String: pa.string()}
    return pa.list_(types[dtype.base_type]) if isinstance(dtype, Array) else types[dtype]
