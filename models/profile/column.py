"""The values of one column and how often each occurs."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


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

    @property
    def is_number(self) -> bool:
        """Whether the values are numbers rather than names."""
        return self.numbers is not None

    @property
    def total(self) -> int:
        """Rows with a name or a finite number."""
        return int(self.ends[-1]) if len(self.ends) else 0

    @property
    def single(self) -> bool:
        """Whether all rows that have a value have the same one."""
        return len(self.counts) == 1

    def up_to(self, bound: float, below: bool = False) -> int:
        """The exact number of rows with a finite number of at most ``bound`` (``below``: less than it)."""
        assert self.numbers is not None
        place = _place(self.numbers, bound, "left" if below else "right")
        return int(self.ends[place - 1]) if place else 0

    def places(self, bounds: Sequence[float]) -> np.ndarray:
        """How many distinct numbers are at most each of the ascending ``bounds``: (bounds,) int64."""
        assert self.numbers is not None
        if self.numbers.dtype.kind == "f":
            return np.searchsorted(self.numbers, np.asarray(bounds, dtype=np.float64), "right")
        limits = np.iinfo(self.numbers.dtype)
        whole = [math.floor(bound) for bound in bounds]
        inside = np.array([min(max(bound, int(limits.min)), int(limits.max)) for bound in whole], self.numbers.dtype)
        found = np.searchsorted(self.numbers, inside, "right")
        return np.where(np.array([bound < limits.min for bound in whole], dtype=bool), 0, found)

    def values(self, least: float) -> dict[Any, int]:
        """Rows by value (a number or a name), of the values with at least ``least`` rows."""
        kept = np.flatnonzero(self.counts >= least)
        found = [self.names[place] for place in kept] if self.numbers is None else self.numbers[kept].tolist()
        return dict(zip(found, self.counts[kept].tolist(), strict=True))

    def count(self, value: float) -> int:
        """The exact number of rows with this number."""
        return self.up_to(value) - self.up_to(value, below=True)


def count_values(column: pa.ChunkedArray | pa.Array) -> ValueCounts:
    """Count the values of a column (rows,). Booleans and times count as numbers, vectors as text."""
    column = pa.chunked_array([column]) if isinstance(column, pa.Array) else column
    numbers = _numbers(column)
    if numbers is None:
        return count_names(column)
    numbers.sort()
    start, end, infinite = 0, len(numbers), (0, 0)
    if numbers.dtype.kind == "f":  # sorted: minus infinity comes first, infinity and NaN last
        end, last = np.searchsorted(numbers, [math.inf, math.nan]).tolist()
        start = int(np.searchsorted(numbers, -math.inf, "right"))
        infinite = start, last - end
        zeros = slice(*(int(np.searchsorted(numbers, 0.0, side)) for side in ("left", "right")))
        numbers[zeros] = 0.0  # minus zero is zero
    missing = len(column) - (end - start) - sum(infinite)
    finite = numbers[start:end]
    first = np.ones(len(finite), dtype=bool)
    np.not_equal(finite[1:], finite[:-1], out=first[1:])
    starts = np.flatnonzero(first)
    distinct = finite[starts] if len(starts) < len(finite) else finite
    distinct = distinct.astype(np.float64) if distinct.dtype.kind == "f" else distinct
    ends = np.append(starts[1:], len(finite))[: len(starts)]
    counts = np.subtract(ends, starts, out=starts)
    return ValueCounts(len(column), missing, infinite, distinct, [], counts, ends)


def count_names(column: pa.ChunkedArray | pa.Array) -> ValueCounts:
    """Count the values of a column (rows,) as text. A whole number of floats, such as 7.0, is 7."""
    column = pa.chunked_array([column]) if isinstance(column, pa.Array) else column
    if pa.types.is_nested(column.type):
        texts = [None if value is None else str(value) for value in column.to_pylist()]
        column = pa.chunked_array([pa.array(texts, pa.string())])
    values, counts = (part.to_pylist() for part in pc.value_counts(column).flatten())
    by_name: dict[str, int] = {}
    for value, count in zip(values, counts, strict=True):
        if value is not None and value == value:  # NaN is no value
            name = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
            by_name[name] = by_name.get(name, 0) + count
    names = sorted(by_name)
    kept = np.array([by_name[name] for name in names], dtype=np.int64)
    return ValueCounts(len(column), len(column) - int(kept.sum()), (0, 0), None, names, kept, np.cumsum(kept))


def _numbers(column: pa.ChunkedArray) -> np.ndarray | None:
    """A copy of the values as numbers of the column's own type, nulls left out or NaN; None for other types."""
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
    if column.null_count and not pa.types.is_floating(kind):  # those of floats become NaN
        column = column.drop_null()
    part = column.chunk(0) if column.num_chunks == 1 else column
    values = part.to_numpy(zero_copy_only=False)
    return values if values.flags.writeable else values.copy()


def _place(numbers: np.ndarray, bound: float, side: Any) -> int:
    """The position of ``bound`` among sorted numbers; integers are compared as integers, beyond 2^53 too."""
    if numbers.dtype.kind == "f":
        return int(np.searchsorted(numbers, float(bound), side))
    whole = math.floor(bound) if side == "right" else math.ceil(bound)
    limits = np.iinfo(numbers.dtype)
    if not limits.min <= whole <= limits.max:
        return 0 if whole < limits.min else len(numbers)
    return int(np.searchsorted(numbers, numbers.dtype.type(whole), side))
