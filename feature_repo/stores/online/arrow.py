"""Arrow columns as rows need them: one chunk, of the kind's type."""

import numpy as np
import pyarrow as pa

from feature_repo.stores.errors import RowInputError

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
    """The Arrow type in which columns of a kind are packed."""
    return pa.large_list(_TYPES[kind[:-2]]) if kind.endswith("[]") else _TYPES[kind]


def column_of(table: pa.Table, name: str, kind: str, view: str) -> pa.Array:
    """A table's column as one array of its kind's type; raises RowInputError if there is none or it does not fit."""
    if table.column_names.count(name) != 1:
        raise RowInputError(f"{view}: expected one column {name}; found {', '.join(table.column_names)}")
    column, wanted = table[name].combine_chunks(), arrow_type(kind)
    if column.type == wanted:
        return column
    try:
        if _family(column.type) not in (_family(wanted), None):
            raise pa.ArrowInvalid("another type")
        return column.cast(wanted, safe=kind != "timestamp")  # nanoseconds go
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise RowInputError(f"{view}: expected {kind} in column {name}; found {column.type}: {error}") from error


def cut(block: np.ndarray) -> list[bytes]:
    """The rows of a (rows, bytes) array of uint8."""
    width, whole = block.shape[1], block.tobytes()
    return [whole[start : start + width] for start in range(0, len(whole), width)]


def _family(found: pa.DataType) -> str | None:
    """What casts into each other without being read as text or as numbers; None: nulls, which are anything."""
    if pa.types.is_dictionary(found):
        return _family(found.value_type)
    if pa.types.is_list(found) or pa.types.is_large_list(found) or pa.types.is_fixed_size_list(found):
        inner = _family(found.value_type)
        return None if inner is None else f"list of {inner}"
    if pa.types.is_null(found):
        return None
    if pa.types.is_timestamp(found) or pa.types.is_date(found):
        return "moment"
    if pa.types.is_integer(found) or pa.types.is_floating(found) or pa.types.is_boolean(found):
        return "number"
    text = pa.types.is_string(found) or pa.types.is_large_string(found) or pa.types.is_string_view(found)
    return "text" if text else "bytes" if pa.types.is_binary(found) or pa.types.is_large_binary(found) else str(found)
