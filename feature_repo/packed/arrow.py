"""Arrow columns in the form that packing needs: one chunk, of the kind's type."""

import numpy as np
import pyarrow as pa

from feature_repo.packed.errors import RowInputError

_TYPES = {
    "int64": pa.int64(),
    "timestamp": pa.timestamp("us", "UTC"),
    "float64": pa.float64(),
    "int32": pa.int32(),
    "float32": pa.float32(),
    "bool": pa.bool_(),
    "string": pa.large_string(),
    "bytes": pa.large_binary(),
}


def arrow_type(kind: str) -> pa.DataType:
    """Arrow type in which columns of a kind are packed."""
    return pa.large_list(_TYPES[kind[:-2]]) if kind.endswith("[]") else _TYPES[kind]


def column_of(table: pa.Table, name: str, kind: str, view: str) -> pa.Array:
    """A table's column as one array of its kind's type. Raises RowInputError if it is missing or of a wrong type."""
    if table.column_names.count(name) != 1:
        raise RowInputError(f"{view}: expected one column {name}; found {', '.join(table.column_names)}")
    column, wanted = table[name].combine_chunks(), arrow_type(kind)
    if column.type == wanted:
        return column
    try:
        if _family(column.type) not in (_family(wanted), None):
            raise pa.ArrowInvalid("another type")
        return column.cast(wanted, safe=kind != "timestamp")  # timestamps lose their nanoseconds
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise RowInputError(f"{view}: expected {kind} in column {name}; found {column.type}: {error}") from error


def cut(block: np.ndarray) -> list[bytes]:
    """Rows of a (rows, bytes) uint8 array as bytes objects."""
    width, whole = block.shape[1], block.tobytes()
    return [whole[start : start + width] for start in range(0, len(whole), width)]


def _family(kind: pa.DataType) -> str | None:
    """Types of one family cast into each other without parsing text; None: nulls, which fit any family."""
    if pa.types.is_dictionary(kind):
        return _family(kind.value_type)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        inner = _family(kind.value_type)
        return None if inner is None else f"list of {inner}"
    if pa.types.is_null(kind):
        return None
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return "time"
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        return "number"
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    return "text" if text else "bytes" if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) else str(kind)
