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
    null where no row of its key is visible, or the visible one has outlived the view's TTL. Every point-in-time value
    of Heliograph comes through this function. Raises RetrievalError if Feast answers with other rows than were asked.
    """
    columns: dict[str, pa.ChunkedArray] = {}
    for name in views:
        view = store.get_feature_view(name)
        asked = pd.DataFrame({column.name: keys[column.name] for column in view.entity_columns})
        asked[_TIME] = pd.to_datetime(last_visible(times), unit="us", utc=True).as_unit("us")
        # One question per distinct (key, moment): Feast's join holds all versions up to the moment for every question.
        position = asked.groupby(list(asked.columns), sort=False).ngroup().to_numpy()
        distinct = asked.drop_duplicates().reset_index(drop=True)
        features = [field.name for field in view.features]
        answer = _ask(store, distinct, name, features) if len(distinct) else None
        for field in view.features:
            kind = arrow_type(field.dtype)
            column = answer[field.name].cast(kind) if answer is not None else pa.chunked_array([], type=kind)
            columns[field.name] = column.take(pa.array(position))
    return columns


def _ask(store: Any, rows: pd.DataFrame, view: str, features: list[str]) -> pa.Table:
    """One view's features for distinct rows, in their order."""
    job = store.get_historical_features(
        entity_df=rows.assign(**{_ROW: np.arange(len(rows))}), features=[f"{view}:{feature}" for feature in features]
    )
    answer = job.to_arrow().sort_by(_ROW)
    if answer.num_rows != len(rows):
        raise RetrievalError(f"view {view}: expected {len(rows)} rows from Feast; found {answer.num_rows}")
    return answer


def arrow_type(dtype: Any) -> pa.DataType:
    """The Arrow type of a Feast type that our definitions use."""
    from feast.types import Array, Float32, Int64, String

    types = {Float32: pa.float32(), Int64: pa.int64(), String: pa.string()}
    return pa.list_(types[dtype.base_type]) if isinstance(dtype, Array) else types[dtype]
