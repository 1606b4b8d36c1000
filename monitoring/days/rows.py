"""Columns of a day's joined rows as arrays, whatever the types that a file has."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitoring.days.joined import JoinedRows


class Names(NamedTuple):
    """A column of texts: the position of each row's value among the distinct values."""

    codes: np.ndarray
    """(rows,) int64; -1 = null."""
    values: list[str]
    """The distinct values, sorted."""

    def counts(self, chosen: np.ndarray | None = None) -> dict[str, int]:
        """Rows of each value, of all rows or of those that ``chosen`` (rows,) bool names; values without rows too."""
        codes = self.codes if chosen is None else self.codes[chosen]
        found = np.bincount(codes[codes >= 0], minlength=len(self.values))
        return dict(zip(self.values, found.tolist(), strict=True))


class Rows:
    """A table of joined rows. A column that is missing reads as one without values."""

    def __init__(self, table: pa.Table | JoinedRows) -> None:
        self.table = table
        self._numbers: dict[str, np.ndarray] = {}
        self._times: dict[str, np.ndarray] = {}
        self._names: dict[str, Names] = {}
        self._valued: dict[str, bool] = {}

    def __len__(self) -> int:
        return self.table.num_rows

    def has_values(self, name: str) -> bool:
        """Whether the column is there and one of its rows has a value."""
        if name not in self._valued:
            self._column(name)
        return self._valued[name]

    def numbers(self, name: str) -> np.ndarray:
        """The column as float64, (rows,); NaN where there is no number. It is kept."""
        if name not in self._numbers:
            self._numbers[name] = self.read_numbers(name)
        return self._numbers[name]

    def read_numbers(self, name: str) -> np.ndarray:
        """As ``numbers``, (rows,), of a column that is needed once."""
        column = self._column(name)
        return np.full(len(self), np.nan) if column is None else _numbers(column)

    def times(self, name: str) -> np.ndarray:
        """The column as int64 microseconds, (rows,); 0 where there is none."""
        if name not in self._times:
            column = self._column(name)
            self._times[name] = np.zeros(len(self), dtype=np.int64) if column is None else _times(column)
        return self._times[name]

    def distinct(self, name: str) -> int:
        """The number of distinct values of the column."""
        column = self._column(name)
        return 0 if column is None else int(pc.count_distinct(column).as_py())

    def flags(self, name: str) -> np.ndarray:
        """The column as bool, (rows,); null is false."""
        return np.nan_to_num(self.numbers(name)) != 0

    def names(self, name: str) -> Names:
        """The column as texts. It is kept."""
        if name not in self._names:
            self._names[name] = self.read_names(name)
        return self._names[name]

    def read_names(self, name: str) -> Names:
        """As ``names``, of a column that is needed once."""
        column = self._column(name)
        return _nothing(len(self)) if column is None else _names(column)

    def _column(self, name: str) -> pa.ChunkedArray | None:
        """The column; None where it has no value."""
        column = self.table[name] if name in self.table.column_names else None
        self._valued[name] = column is not None and column.null_count < len(self)
        return column if self._valued[name] else None


def shares(counts: Mapping[str, int], rows: int) -> dict[str, float]:
    """Counts as shares of the rows."""
    return {name: count / rows for name, count in counts.items()} if rows else {}


def _nothing(rows: int) -> Names:
    return Names(np.full(rows, -1, dtype=np.int64), [])


def _flat(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def is_number(kind: pa.DataType) -> bool:
    """Whether a column of this type holds numbers; flags do."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return any(test(kind) for test in (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean)) or bool(
        pa.types.is_decimal(kind)
    )


def _numbers(column: pa.ChunkedArray) -> np.ndarray:
    column = _flat(column)
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    elif pa.types.is_temporal(column.type) and column.type.bit_width == 64:
        column = column.cast(pa.int64())
    elif not is_number(column.type):
        return np.full(len(column), np.nan)
    return column.cast(pa.float64(), safe=False).fill_null(np.nan).to_numpy()


def _times(column: pa.ChunkedArray) -> np.ndarray:
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us")).cast(pa.int64())
    if not pa.types.is_integer(column.type):
        return np.nan_to_num(_numbers(column), posinf=0, neginf=0).astype(np.int64)
    return column.fill_null(0).to_numpy().astype(np.int64)


def _names(column: pa.ChunkedArray) -> Names:
    column = _flat(column)
    if not pa.types.is_string(column.type):
        try:
            column = column.cast(pa.string())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):  # lists and structures
            texts = [None if value is None else str(value) for value in column.to_pylist()]
            column = pa.chunked_array([pa.array(texts, pa.string())])
    coded = column.combine_chunks().dictionary_encode()
    if isinstance(coded, pa.ChunkedArray):
        coded = coded.combine_chunks()
    values = coded.dictionary.to_pylist()
    order = sorted(range(len(values)), key=values.__getitem__)
    place = np.empty(len(values) + 1, dtype=np.int64)
    place[order] = np.arange(len(values))
    place[-1] = -1
    codes = pc.fill_null(coded.indices, len(values)).to_numpy(zero_copy_only=False)
    return Names(place[codes], [values[one] for one in order])
