"""Ragged arrays: rows of different lengths in two flat arrays."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Ragged:
    """Row i holds ``values[offsets[i] : offsets[i + 1]]``."""

    offsets: np.ndarray
    """(rows + 1,) int64, non-decreasing; the first need not be 0."""
    values: np.ndarray
    """(at least the last offset,) of any dtype."""

    @classmethod
    def empty(cls, rows: int, dtype: Any = np.int64) -> "Ragged":
        """``rows`` empty rows."""
        return cls(np.zeros(rows + 1, np.int64), np.zeros(0, dtype))

    @classmethod
    def of(cls, rows: Iterable[Sequence[Any]], dtype: Any = np.int64) -> "Ragged":
        """Build from plain Python sequences."""
        lists = list(rows)
        offsets = np.zeros(len(lists) + 1, np.int64)
        np.cumsum([len(row) for row in lists], out=offsets[1:])
        return cls(offsets, np.array([value for row in lists for value in row], dtype))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> np.ndarray:
        """One row, as a view of the values: (length,)."""
        place = range(len(self))[row]
        return self.values[self.offsets[place] : self.offsets[place + 1]]

    @property
    def starts(self) -> np.ndarray:
        """Start of each row in the values: (rows,) int64."""
        return self.offsets[:-1]

    @property
    def ends(self) -> np.ndarray:
        """End of each row in the values, exclusive: (rows,) int64."""
        return self.offsets[1:]

    @property
    def lengths(self) -> np.ndarray:
        """Length of each row: (rows,) int64."""
        return self.ends - self.starts

    def take(self, rows: np.ndarray) -> "Ragged":
        """The rows at positions ``rows``, (n,) int64 >= 0, in their order."""
        lengths = self.lengths[rows]
        offsets = np.zeros(len(lengths) + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        places = np.arange(offsets[-1]) + np.repeat(self.starts[rows] - offsets[:-1], lengths)
        return Ragged(offsets, self.values[places])

    def to_lists(self) -> list[list[Any]]:
        """The rows as plain Python lists."""
        return [self[row].tolist() for row in range(len(self))]


Columns = Mapping[str, "np.ndarray | Ragged"]
"""Columns of equally many rows, by name."""


def numbers(columns: Columns, name: str) -> np.ndarray:
    """A column of one value a row: (rows,)."""
    values = columns[name]
    assert isinstance(values, np.ndarray)
    return values


def lists(columns: Columns, name: str) -> Ragged:
    """A column of a list a row."""
    values = columns[name]
    assert isinstance(values, Ragged)
    return values
