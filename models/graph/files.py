"""Checks of a build's Parquet files before any statement runs: columns, their types, and the range of values."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as compute
import pyarrow.parquet as parquet

from models.float32 import ADVICE, loss
from models.graph.errors import GraphInputError
from models.graph.timeline import LATEST
from models.parquet import ColumnNamesError, check_column_names
from models.time_units import SECOND

_MICROSECONDS = {"s": SECOND, "ms": SECOND // 1000, "us": 1}
_SPEC = "Fix the spec or the adapter"


def column_types(path: Path, needed: Sequence[str]) -> dict[str, pa.DataType]:
    """The types of a file's columns. Raises GraphInputError if the file or a ``needed`` column is missing."""
    if not path.is_file():
        raise GraphInputError(f"{path}: expected this file; found none. Run the steps before (ingest, retrieve) again")
    try:
        schema = parquet.read_schema(path)
    except pa.ArrowException as error:
        raise GraphInputError(
            f"{path}: expected a Parquet file; found {error}. Run the step that wrote it again"
        ) from None
    try:
        check_column_names(path, schema.names)
    except ColumnNamesError as error:
        raise GraphInputError(str(error)) from None
    for column in needed:
        if schema.names.count(column) > 1:
            raise GraphInputError(f"{path}: expected column {column!r} once; found it twice. {_SPEC}")
        if column not in schema.names:
            raise GraphInputError(
                f"{path}: expected column {column!r}, which the spec names; found {', '.join(schema.names)}. "
                "Was it written with another spec?"
            )
    return {field.name: field.type for field in schema}


def check_keys(path: Path, column: str, key_type: str) -> None:
    """Raise GraphInputError for a column that cannot hold keys of type ``key_type``, ``int`` or ``string``."""
    found = column_types(path, [column])[column]
    value = found.value_type if pa.types.is_dictionary(found) else found
    whole = pa.types.is_integer(value) or pa.types.is_null(value)
    text = pa.types.is_string(value) or pa.types.is_large_string(value) or pa.types.is_string_view(value)
    if not (whole or (text and key_type == "string")):
        expected = "whole numbers" if key_type == "int" else "text or whole numbers"
        raise GraphInputError(f"{path}, column {column!r}: expected keys, {expected}; found {found}. {_SPEC}")


def check_times(path: Path, columns: Sequence[str]) -> None:
    """Raise GraphInputError for columns without timestamps, or with one that int64 microseconds cannot hold.

    Nanoseconds are refused too: rounding could make two times equal, and the earlier row would become invisible.
    """
    for column, found in column_types(path, columns).items():
        if column not in columns:
            continue
        if not pa.types.is_timestamp(found) or found.unit == "ns":
            raise GraphInputError(
                f"{path}, column {column!r}: expected timestamps of microseconds (or milliseconds); found {found}. "
                f"{_SPEC}"
            )
        for value in _bounds(path, column):
            if abs(value * _MICROSECONDS[found.unit]) >= LATEST:
                raise GraphInputError(
                    f"{path}, column {column!r}: expected moments within {LATEST} microseconds of 1970; found "
                    f"{value} {found.unit}. {_SPEC}"
                )


def check_numbers(path: Path, columns: Sequence[str]) -> None:
    """Raise GraphInputError for number or vector columns of another type, or whose numbers do not survive as float32.

    Reads one row group at a time, and only columns that are not float32 already.
    """
    for column, found in column_types(path, columns).items():
        if column not in columns:
            continue
        nested = pa.types.is_list(found) or pa.types.is_large_list(found) or pa.types.is_fixed_size_list(found)
        kind = found.value_type if nested else found
        real = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
        if not (real or pa.types.is_null(kind)):
            raise GraphInputError(f"{path}, feature {column!r}: expected numbers; found {found}. {_SPEC}")
        if not (pa.types.is_integer(kind) or pa.types.is_float64(kind)):
            continue
        with parquet.ParquetFile(path) as file:
            begin = 0
            for part in range(file.num_row_groups):
                values = file.read_row_group(part, [column])[column].combine_chunks()
                _check_survival(f"{path}, feature {column!r}", values.flatten() if nested else values, begin)
                begin += file.metadata.row_group(part).num_rows


def _check_survival(what: str, values: pa.Array, begin: int) -> None:
    present = compute.is_valid(values).to_numpy(zero_copy_only=False)
    lost = loss(values.drop_null().to_numpy(zero_copy_only=False), np.flatnonzero(present) + begin)
    if lost is not None:
        raise GraphInputError(f"{what}: expected numbers that survive as float32; found {lost.found}. {ADVICE}")


def _bounds(path: Path, column: str) -> list[int]:
    """The lowest and highest value of each row group, in the column's unit, from its statistics if it has any."""
    found: list[int] = []
    with parquet.ParquetFile(path) as file:
        leaves = [file.schema.column(place).path for place in range(len(file.schema))]
        place = leaves.index(column)
        for part in range(file.num_row_groups):
            about = file.metadata.row_group(part).column(place).statistics
            if about is not None and about.has_min_max:
                found += (about.min_raw, about.max_raw)
            else:
                values = file.read_row_group(part, [column])[column].cast(pa.int64())
                found += [value for value in compute.min_max(values).as_py().values() if value is not None]
    return found
