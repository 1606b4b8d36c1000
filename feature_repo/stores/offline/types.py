"""Which column types can be combined without losing digits, and which keys compare exactly."""

from collections.abc import Sequence
from itertools import combinations

import pyarrow as pa
import pyarrow.compute as pc

_DIGITS = {16: 11, 32: 24, 64: 53}
"""Width of a float type -> bits of the integers that it holds exactly."""


def are_exact_together(kinds: Sequence[pa.DataType]) -> bool:
    """Whether a column with these types in different files can be read without loss."""
    return all(_exact(one, other) for one, other in combinations(kinds, 2))


def ambiguous(column: pa.ChunkedArray, other: pa.DataType) -> bool:
    """Whether a key in the column may equal several keys of the ``other`` type.

    From 2**53 on (float32: 2**24) a float equals several integers, so if one side is float, larger keys on either side
    are ambiguous.
    """
    kinds = (column.type, other)
    floats = [kind for kind in kinds if pa.types.is_floating(kind)]
    if len(floats) != 1 or not any(pa.types.is_integer(kind) for kind in kinds):
        return False
    exact_below = 2 ** _DIGITS[floats[0].bit_width]
    span = pc.min_max(column.filter(pc.is_finite(column))).as_py() if len(column) else {"min": None, "max": None}
    large = any(value is not None and abs(value) >= exact_below for value in span.values())
    infinite = pa.types.is_floating(column.type) and bool(pc.any(pc.is_inf(column)).as_py())
    return infinite or large


def comparable(one: pa.DataType, other: pa.DataType) -> bool:
    """Whether keys of two types compare by value: numbers with numbers, strings with strings, otherwise equal types."""
    one, other = _plain(one), _plain(other)
    if pa.types.is_null(one) or pa.types.is_null(other):
        return True
    floats = (pa.float32(), pa.float64())
    numbers = [pa.types.is_integer(kind) or kind in floats for kind in (one, other)]
    if pa.types.is_decimal(one) and pa.types.is_decimal(other):
        return bool(one.scale == other.scale)
    return all(numbers) or one == other


def _exact(one: pa.DataType, other: pa.DataType) -> bool:
    one, other = _plain(one), _plain(other)
    if one == other or pa.types.is_null(one) or pa.types.is_null(other):
        return True
    if pa.types.is_integer(one) and pa.types.is_integer(
        other
    ):  # DuckDB has a common type for all but uint64 with a signed one
        unsigned = [pa.types.is_unsigned_integer(kind) for kind in (one, other)]
        wide = any(kind == pa.uint64() for kind in (one, other))
        return unsigned[0] == unsigned[1] or not wide
    if pa.types.is_floating(one) and pa.types.is_floating(other):
        return True
    for whole, real in ((one, other), (other, one)):
        if pa.types.is_integer(whole) and pa.types.is_floating(real):
            return bool(whole.bit_width < _DIGITS[real.bit_width])
    if pa.types.is_timestamp(one) and pa.types.is_timestamp(other):  # read in the finer unit; without a zone it is UTC
        return True
    if _is_list(one) and _is_list(other):
        return _exact(one.value_type, other.value_type)
    return False


def _plain(kind: pa.DataType) -> pa.DataType:
    """The type as in DuckDB: no dictionaries, one string type, one bytes type."""
    if pa.types.is_dictionary(kind):
        return _plain(kind.value_type)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind) or pa.types.is_fixed_size_binary(kind):
        return pa.binary()
    if pa.types.is_timestamp(kind):
        unit = "ns" if kind.unit == "ns" else "us"
        return pa.timestamp(unit, tz="UTC" if kind.tz else None)
    return kind


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))
