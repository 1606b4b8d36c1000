"""Profiles of a table's columns: small enough for JSON, enough to detect drift in the next materialize run."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.profile import FEWEST_ROWS, compare, profile_of
from models.profile.measures import size_of
from models.spec.expectations import CheckedView
from models.spec.nodes import TypedView

__all__ = ["FEWEST_ROWS", "Profile", "compare", "kinds_of", "missing", "profile", "size_of", "values_of"]
Profile = dict[str, Any]
"""Profile (``models.profile.profile_of``) by feature."""


def profile(table: pa.Table, columns: Sequence[str], kinds: Mapping[str, str] | None = None) -> Profile:
    """Profile the given columns of a table: of vectors the norms, of texts the characters.

    ``kinds``: those of features, by name; None = all are numbers or categories.
    """
    return {name: profile_of(size_of((kinds or {}).get(name, ""), table[name])) for name in columns}


def kinds_of(view: CheckedView) -> dict[str, str]:
    """The kinds of a view's features, by name; none for a counter's."""
    return {feature.name: feature.kind for feature in view.typed} if isinstance(view, TypedView) else {}


def values_of(column: pa.ChunkedArray) -> np.ndarray:
    """Values of a numeric column that are neither null nor NaN, in the column's own type: (values,)."""
    values = column.drop_null().to_numpy()
    return values[~np.isnan(values)] if values.dtype.kind == "f" else values


def missing(column: pa.ChunkedArray) -> int:
    """Count rows without a value: null, NaN in a float column, or a vector that contains either."""
    if pa.types.is_floating(column.type):
        return len(column) - len(values_of(column))
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type) or pa.types.is_fixed_size_list(column.type):
        return sum(_incomplete(chunk) for chunk in column.chunks)
    return int(column.null_count)


def _incomplete(vectors: pa.Array) -> int:
    """Count vectors that are null or contain a null or NaN."""
    elements, parents = pc.list_flatten(vectors), pc.list_parent_indices(vectors)
    bad = pc.is_null(elements, nan_is_null=True)
    return int(vectors.null_count) + len(pc.unique(parents.filter(bad)))
