"""Rows of declared tables as pandas frames: whole numbers stay exact, also where some are missing."""

from collections.abc import Sequence

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from feature_repo.exact_frames import NULLABLE

_EXACT = {**NULLABLE, pa.bool_(): pd.BooleanDtype()}


def frame(rows: pa.Table, outcomes: Sequence[str]) -> pd.DataFrame:
    """The rows as a frame; outcomes that are texts, but all numbers, become numbers."""
    columns = {}
    for name in rows.column_names:
        column = _decoded(rows[name])
        if name in outcomes and pa.types.is_string(column.type):
            column = _number(column)
        kind = _EXACT.get(column.type) if column.null_count else None
        if pa.types.is_null(column.type):
            columns[name] = pd.Series([None] * len(column), dtype=object)
        else:
            columns[name] = column.to_pandas(types_mapper=None if kind is None else lambda _, kind=kind: kind)
    return pd.DataFrame(columns, columns=rows.column_names)


def _decoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return column.cast(pa.timestamp("us", "UTC")) if pa.types.is_timestamp(column.type) and column.type.tz else column


def _number(column: pa.ChunkedArray) -> pa.ChunkedArray:
    try:
        return pc.cast(column, pa.float64())
    except pa.ArrowInvalid:
        return column
