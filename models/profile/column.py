"""Profile of one column: how often each value occurs, summarized as JSON."""

import math
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_VALUES = 200
"""The number of most frequent values that a profile keeps."""
_BINS = 10
"""Most bins of a number."""
_HEAVY = 0.1
"""Numbers with at least this share of the rows are left out when the bounds of bins are chosen."""
_SMALLEST_BIN, _FEWEST_IN_A_BIN = 0.05, 10
"""The least share of all rows and the least number of rows of a bin."""


class ValueCounts(NamedTuple):
    """The values of a column and how often each occurs, whatever the order of the rows."""

    rows: int
    missing: int
    """Null, or NaN in a column of floats."""
    infinite: tuple[int, int]
    """Numbers of rows with minus infinity and infinity."""
    numbers: np.ndarray | None
    """The distinct finite numbers, ascending, in the column's type (floats as float64); None for categories."""
    names: list[str]
    """The distinct values of a category as text, sorted; empty for numbers."""
    counts: np.ndarray
    """(distinct values,) int64: rows of each distinct value."""
    ends: np.ndarray
    """(distinct values,) int64: cumulative sum of ``counts``."""

    def up_to(self, bound: float, below: bool = False) -> int:
        """The exact number of rows with a finite number of at most ``bound`` (``below``: less than it)."""
        assert self.numbers is not None
        place = _place(self.numbers, bound, "left" if below else "right")
        return int(self.ends[place - 1]) if place else 0

    def count(self, value: float) -> int:
        """The exact number of rows with this number."""
        return self.up_to(value) - self.up_to(value, below=True)


def count_values(column: pa.ChunkedArray | pa.Array) -> ValueCounts:
    """Count the values of a column (rows,). Booleans and times count as numbers, vectors as text."""
    column = pa.chunked_array([column]) if isinstance(column, pa.Array) else column
    numbers = _numbers(column)
    if numbers is None:
        if pa.types.is_nested(column.type):
            texts = [None if value is None else str(value) for value in column.to_pylist()]
            column = pa.chunked_array([pa.array(texts, pa.string())])
        found = pc.value_counts(column.drop_null().combine_chunks())
        values, counts = (part.to_pylist() for part in found.flatten())
        by_name: dict[str, int] = {}
        for value, count in zip(values, counts, strict=True):
            by_name[str(value)] = by_name.get(str(value), 0) + count
        names = sorted(by_name)
        kept = np.array([by_name[name] for name in names], dtype=np.int64)
        return ValueCounts(len(column), column.null_count, (0, 0), None, names, kept, np.cumsum(kept))
    missing, infinite = len(column) - len(numbers), (0, 0)
    if numbers.dtype.kind == "f":
        finite = numbers[np.isfinite(numbers)]
        if len(finite) < len(numbers):
            infinite = int((numbers == -math.inf).sum()), int((numbers == math.inf).sum())
            missing += len(numbers) - len(finite) - sum(infinite)
        numbers = finite + 0.0  # minus zero is zero
    distinct, counts = np.unique(numbers, return_counts=True)
    return ValueCounts(len(column), missing, infinite, distinct, [], counts, np.cumsum(counts))


def profile_of(column: pa.ChunkedArray | pa.Array) -> dict[str, Any]:
    """The distribution of a column (rows,) as strict JSON; counts are of rows, whatever their order.

    For every column: ``kind`` (number, category), ``rows``, ``missing``, ``infinite`` ([minus, plus]), ``values`` (the
    200 most frequent as [value, rows]), ``most`` (rows of the most frequent value not among them). For a number:
    ``least`` and ``edges``, the upper bounds of bins over all finite values, and ``bins``, their rows. For a category:
    ``unseen``, the expected number of rows with a value not in ``values`` in another sample of the same size.
    """
    found = count_values(column)
    profile: dict[str, Any] = {"rows": found.rows, "missing": found.missing, "infinite": list(found.infinite)}
    order = np.argsort(-found.counts, kind="stable")  # values are sorted: of equal counts the smaller value comes first
    if found.numbers is None:
        kept, left = order[:_VALUES], found.counts[order[_VALUES:]]
        most = int(left.max(initial=0))
        values = [[found.names[place], int(found.counts[place])] for place in kept]
        # Good-Turing: the rows of values seen k + 1 times estimate the future rows of values seen k times.
        unseen = int(found.counts[found.counts <= most + 1].sum())
        return {"kind": "category", **profile, "values": values, "most": most, "unseen": unseen}
    kept = order[:_VALUES][found.counts[order[:_VALUES]] > 1]
    most = int(found.counts[order[len(kept) :]].max(initial=0))
    values = [[found.numbers[place].item(), int(found.counts[place])] for place in kept]
    edges = _edges(found)
    bins = np.diff([0, *(found.up_to(edge) for edge in edges)]).tolist()
    least = found.numbers[0].item() if len(found.numbers) else None
    return {"kind": "number", **profile, "values": values, "most": most, "least": least, "edges": edges, "bins": bins}


def _edges(found: ValueCounts) -> list[Any]:
    """Upper bounds of the bins: quantiles of the values below the share ``_HEAVY``, then the largest value."""
    assert found.numbers is not None
    if not len(found.numbers):
        return []
    light = found.counts < _HEAVY * found.rows
    values, ends = found.numbers[light], np.cumsum(found.counts[light])
    rows = int(found.counts[light].sum())
    bins = min(_BINS, int(rows / max(_SMALLEST_BIN * found.rows, _FEWEST_IN_A_BIN)))
    places = [np.searchsorted(ends, -(-rows * part // bins)) for part in range(1, bins)]
    return sorted({values[place].item() for place in places} | {found.numbers[-1].item()})


def _numbers(column: pa.ChunkedArray) -> np.ndarray | None:
    """The non-null values as numbers of the column's own type; None for other types."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    if pa.types.is_null(kind):
        return np.empty(0, dtype=np.int64)
    if pa.types.is_boolean(kind):
        column = column.cast(pa.uint8())
    elif pa.types.is_decimal(kind):
        column = column.cast(pa.float64())
    elif pa.types.is_temporal(kind):
        column = column.cast(pa.int32() if kind.bit_width == 32 else pa.int64())
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return None
    values = column.drop_null().to_numpy()
    return values.astype(np.float64) if values.dtype.kind == "f" else values


def _place(numbers: np.ndarray, bound: float, side: Any) -> int:
    """The position of ``bound`` among sorted numbers; integers are compared as integers, beyond 2^53 too."""
    if numbers.dtype.kind == "f":
        return int(np.searchsorted(numbers, float(bound), side))
    whole = math.floor(bound) if side == "right" else math.ceil(bound)
    limits = np.iinfo(numbers.dtype)
    if not limits.min <= whole <= limits.max:
        return 0 if whole < limits.min else len(numbers)
    return int(np.searchsorted(numbers, numbers.dtype.type(whole), side))
