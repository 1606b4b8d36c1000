"""Rows of declared tables as pandas frames: whole numbers stay exact, also where some are missing."""

from collections.abc import Sequence

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from feature_repo.exact_frames import NULLABLE
from feature_repo.sources.errors import SourceError

_EXACT = {**NULLABLE, pa.bool_(): pd.BooleanDtype()}


def one_table(parts: Sequence[pa.Table], places: Sequence[str], table: str) -> pa.Table:
    """The parts of a table as one. Raises SourceError if a column has values of two types."""
    full = [place for place, part in enumerate(parts) if part.num_rows] or [0]  # without a row nothing has a type
    parts = [_without_empty_types(parts[place].replace_schema_metadata(None)) for place in full]
    places = [places[place] for place in full]
    first: dict[str, tuple[pa.DataType, str]] = {}
    for part, place in zip(parts, places, strict=True):
        for field in part.schema:
            if pa.types.is_null(field.type):
                continue
            kind, other = first.setdefault(field.name, (field.type, place))
            if kind != field.type:
                raise SourceError(
                    f"{place}: table {table}, column {field.name}: expected {kind} as in {other}; found {field.type}. "
                    f"Give the raw column a type under source.tables.{table}.types"
                )
    return pa.concat_tables(parts, promote_options="default")


def _without_empty_types(part: pa.Table) -> pa.Table:
    """A column without a value has no type."""
    for place, field in enumerate(part.schema):
        if part.num_rows == part[place].null_count and part.num_rows:
            part = part.set_column(place, field.name, pa.nulls(part.num_rows))
    return part


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
