"""A spec's ``filter`` applied to rows: as a mask of a frame, as an SQL condition, and checked against column types.

A row is kept if every column of the filter has one of the listed values. Types are strict: text equals only text;
``true`` and ``false`` equal 1 and 0; a fraction is rounded to the column's precision first. Missing values never match.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa

from models.settling import settling_delay
from models.spec.base import Filter, Value
from models.spec.schema import WINDOW_ORDER, Spec
from models.sql import identifier

Kind = Literal["text", "whole", "fraction", "other", "unknown"]
_INT64 = np.iinfo(np.int64)


def mask(frame: pd.DataFrame, kept: Filter) -> np.ndarray:
    """Which rows of the frame the filter keeps, (rows,) bool."""
    result = np.ones(len(frame), dtype=bool)
    for column, values in kept.items():
        result &= _is_one_of(frame[column], values)
    return result


def settled(spec: Spec, frame: pd.DataFrame) -> np.ndarray:
    """Which rows of a training set have outcomes that a fit may use, (rows,) bool.

    A row qualifies if its outcome was settled before its window ended and if it was shown at least the settling delay
    before that, as in ``models.training.labels`` for graphs. Without a column of settled times all rows qualify.
    """
    if spec.impressions.settled not in frame:
        return np.ones(len(frame), dtype=bool)
    ends = np.array([*(spec.span(name).end for name in WINDOW_ORDER), "NaT"], dtype="datetime64[us]")
    own = pd.Categorical(frame["window"], categories=list(WINDOW_ORDER)).codes  # -1 for a row in no window
    shown, known = (
        pd.to_datetime(frame[name], utc=True).to_numpy(dtype="datetime64[us]")
        for name in (spec.impressions.time, spec.impressions.settled)
    )
    train = own == WINDOW_ORDER.index("train")
    delay = np.timedelta64(settling_delay((known - shown)[train].astype(np.int64)), "us")
    return (known < ends[own]) & (shown < ends[own] - delay)


def condition(kept: Filter, types: Mapping[str, pa.DataType], relation: str = "rows") -> tuple[str, list[Any]]:
    """The filter as a DuckDB SQL condition on the columns of ``relation``, and the values of its ``?`` placeholders."""
    parts: list[str] = []
    values: list[Any] = []
    for column, wanted in kept.items():
        usable = _usable(wanted, _arrow_kind(types[column]))
        if not usable:
            parts.append("false")
            continue
        name = identifier(column, relation)
        place = "CAST(? AS FLOAT)" if pa.types.is_float32(types[column]) else "?"
        if pa.types.is_boolean(types[column]):
            name = f"CAST({name} AS TINYINT)"
        parts.append(f"coalesce({name} IN ({', '.join([place] * len(usable))}), false)")
        values += usable
    return " AND ".join(parts) or "true", values


def impossible(frame: pd.DataFrame, kept: Filter) -> Iterator[tuple[str, Value, str]]:
    """Filter values that can never occur in their column: (column, value, what the column holds)."""
    words = {"text": "text", "whole": "whole numbers", "fraction": "numbers", "other": "neither text nor numbers"}
    for column, values in kept.items():
        kind = _pandas_kind(frame[column])
        if kind != "unknown":
            yield from ((column, value, words[kind]) for value in values if not _usable([value], kind))


def _is_one_of(column: pd.Series, values: list[Value]) -> np.ndarray:
    kind = _pandas_kind(column)
    usable = _usable(values, kind)
    if not usable:
        return np.zeros(len(column), dtype=bool)
    if kind == "text":
        column = column.astype(object)
    elif kind == "fraction":
        exact = column.to_numpy(dtype=np.float32 if column.dtype in ("float32", "Float32") else float, na_value=np.nan)
        return np.isin(exact, np.array(usable, dtype=exact.dtype))
    elif column.dtype == bool:
        column = column.astype("int8")
    elif not isinstance(column.dtype, np.dtype) or column.dtype == object:
        column = column.astype("Int64")
    return column.isin(usable).to_numpy(dtype=bool)


def _usable(values: list[Value], kind: Kind) -> list[Any]:
    """The values that a column of that kind can hold, converted to it."""
    if kind == "text":
        return [value for value in values if isinstance(value, str)]
    numbers = [value for value in values if not isinstance(value, str)] if kind in ("whole", "fraction") else []
    if kind == "fraction":
        return [float(value) for value in numbers]
    return [int(value) for value in numbers if value == int(value) and _INT64.min <= value <= _INT64.max]


def _arrow_kind(kind: pa.DataType) -> Kind:
    if pa.types.is_dictionary(kind):
        return _arrow_kind(kind.value_type)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "text"
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind):
        return "whole"
    return "fraction" if pa.types.is_floating(kind) else "other"


def _pandas_kind(column: pd.Series) -> Kind:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return _pandas_kind(column.cat.categories.to_series())
    if pd.api.types.is_bool_dtype(column.dtype) or pd.api.types.is_integer_dtype(column.dtype):
        return "whole"
    if pd.api.types.is_float_dtype(column.dtype):
        return "fraction"
    kinds: dict[str, Kind] = {"string": "text", "boolean": "whole", "integer": "whole", "floating": "fraction"}
    kinds["empty"] = "unknown"
    return kinds.get(pd.api.types.infer_dtype(column, skipna=True), "other")
