"""How a table's columns are spread: small enough for JSON, enough to see the next materialisation drift."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.profile import FEWEST_ROWS, compare, profile_of

__all__ = ["FEWEST_ROWS", "Profile", "compare", "missing", "profile", "values_of"]
Profile = dict[str, Any]
"""Feature -> the profile of its column (``models.profile.profile_of``)."""


def profile(table: pa.Table, columns: Sequence[str]) -> Profile:
    """The spread of columns of ``table``."""
    return {name: profile_of(table[name]) for name in columns}


def values_of(column: pa.ChunkedArray) -> np.ndarray:
    """The values of a column of numbers that are there, in the column's own type: neither null nor NaN."""
    values = column.drop_null().to_numpy()
    return values[~np.isnan(values)] if values.dtype.kind == "f" else values


def missing(column: pa.ChunkedArray) -> int:
    """How many rows have no value: null, NaN in a column of floats, or a vector in which any of the two stands."""
    if pa.types.is_floating(column.type):
        return len(column) - len(values_of(column))
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type) or pa.types.is_fixed_size_list(column.type):
        return sum(_holed(chunk) for chunk in column.chunks)
    return int(column.null_count)


def _holed(vectors: pa.Array) -> int:
    """Vectors that are null, or hold what is no number."""
    elements, parents = pc.list_flatten(vectors), pc.list_parent_indices(vectors)
    bad = pc.is_null(elements, nan_is_null=True)
    return int(vectors.null_count) + len(pc.unique(parents.filter(bad)))
