"""How a feature's values are spread: small enough for JSON, enough to see the next materialisation drift."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Profile = dict[str, Any]
"""Feature -> ``{"rows": int, "missing": share, "edges": inner bin edges, "shares": by bin}`` of a number, or
``{"rows": int, "missing": share, "shares": {value: share}}`` of a category. Shares are of all rows."""

FEWEST_ROWS = 50
"""Fewer rows are not compared: their shares are mostly chance."""
_BINS = 10
_VALUES = 200
_DIGITS = 9
"""Of a distance: one that is on the bound is not above it by a rounding."""
_RAREST = 1e-4
"""The PSI's usual floor of a share: an empty bin would make it infinite."""


def profile(table: pa.Table, columns: Sequence[str]) -> Profile:
    """The spread of columns of ``table``: what is a number is binned, of anything else the values are counted."""
    return {name: _number(table[name]) if _is_number(table[name]) else _category(table[name]) for name in columns}


def distance(before: Mapping[str, Any], column: pa.ChunkedArray) -> float | None:
    """How far a column is from its profile; missing values count as a value of their own.

    Numbers: the population stability index over the deciles of before, sum of (p - q) ln(p / q). Categories: the total
    variation distance of the shares, sum of |p - q| / 2, where what was rare or absent before is one value. None where
    a side has fewer than 50 rows.
    """
    if min(before["rows"], len(column)) < FEWEST_ROWS:
        return None
    if "edges" in before:
        now = _bin_shares(column, before["edges"])
        return round(_stability(np.array([*before["shares"], before["missing"]]), now), _DIGITS)
    counts = _counts(column)
    names = list(before["shares"])
    old = [*before["shares"].values(), before["missing"]]
    new = [counts.get(name, 0) / len(column) for name in names] + [column.null_count / len(column)]
    rest = abs((1 - sum(old)) - (1 - sum(new)))
    return round((sum(abs(p - q) for p, q in zip(old, new, strict=True)) + rest) / 2, _DIGITS)


def values_of(column: pa.ChunkedArray) -> np.ndarray:
    """The values of a column of numbers that are there, in the column's own type: neither null nor NaN."""
    values = column.drop_null().to_numpy()
    return values[~np.isnan(values)] if values.dtype.kind == "f" else values


def missing(column: pa.ChunkedArray) -> int:
    """How many rows have no value: null, or NaN in a column of floats."""
    if pa.types.is_floating(column.type):
        return len(column) - len(values_of(column))
    return int(column.null_count)


def _is_number(column: pa.ChunkedArray) -> bool:
    return pa.types.is_integer(column.type) or pa.types.is_floating(column.type)


def _number(column: pa.ChunkedArray) -> dict[str, Any]:
    values = values_of(column).astype(np.float64)
    inner = np.linspace(0, 1, _BINS + 1)[1:-1]
    deciles = np.quantile(values, inner, method="inverted_cdf") if len(values) else values
    edges = [edge for edge in np.unique(deciles).tolist() if math.isfinite(edge)]  # JSON knows no infinities
    shares = _bin_shares(column, edges)
    return {"rows": len(column), "missing": float(shares[-1]), "edges": edges, "shares": shares[:-1].tolist()}


def _category(column: pa.ChunkedArray) -> dict[str, Any]:
    counts = _counts(column)
    rows = len(column)
    common = sorted(counts, key=lambda value: (-counts[value], value))[:_VALUES]
    shares = {value: counts[value] / rows for value in common}
    return {"rows": rows, "missing": column.null_count / max(rows, 1), "shares": shares}


def _counts(column: pa.ChunkedArray) -> dict[str, int]:
    """How often each value stands in a column, nulls left out."""
    found = pc.value_counts(column.drop_null().combine_chunks())
    return {str(value): count for value, count in zip(*(part.to_pylist() for part in found.flatten()), strict=True)}


def _bin_shares(column: pa.ChunkedArray, edges: list[float]) -> np.ndarray:
    """The share of rows up to each edge and beyond the last, then of missing rows: (edges + 2,)."""
    values = values_of(column).astype(np.float64)
    counts = np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1)
    return np.append(counts, len(column) - len(values)) / max(len(column), 1)


def _stability(before: np.ndarray, now: np.ndarray) -> float:
    before, now = np.maximum(before, _RAREST), np.maximum(now, _RAREST)
    return float(np.sum((now - before) * np.log(now / before)))
