"""``Conditions``: the distinct conditions of many trees, each compared once per row, as bits over rows."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from models.training.errors import ArtifactError
from models.trees.text import Tree

_MOST_BYTES = 1 << 28
"""Of all tables of codes."""


class _Number(NamedTuple):
    """A number not above the threshold, or a missing one where ``missing``."""

    column: int
    threshold: float
    missing: bool


class _Set(NamedTuple):
    """A code in a set, given as bits."""

    column: int
    codes: bytes


class Conditions:
    """Numbers not above a threshold, then codes in a set; each group in the order of its columns."""

    def __init__(self, trees: Sequence[Tree], columns: int) -> None:
        """Raises ArtifactError where the sets of codes are too large to keep."""
        keys = [list(_keys(tree)) for tree in trees]
        distinct = {key for own in keys for key in own}
        numbers = sorted(key for key in distinct if isinstance(key, _Number))
        sets = sorted(key for key in distinct if isinstance(key, _Set))
        place = {key: at for at, key in enumerate([*numbers, *sets])}
        self.of_tree = [np.array([place[key] for key in own], np.int64) for own in keys]
        """By tree, the condition of each node."""
        self._column = np.array([key.column for key in numbers], np.int64)
        self._threshold = np.array([key.threshold for key in numbers], np.float32)
        self._missing = np.flatnonzero([key.missing for key in numbers])
        self._tables = [
            (column, _table([key.codes for key in sets if key.column == column]))
            for column in range(columns)
            if any(key.column == column for key in sets)
        ]
        if sum(table.nbytes for _, table in self._tables) > _MOST_BYTES:
            raise ArtifactError(f"trees: expected sets of codes of at most {_MOST_BYTES} bytes: fit fewer rounds")
        self._sizes = [sum(key.column == column for key in sets) for column, _ in self._tables]

    def met(self, values: np.ndarray) -> np.ndarray:
        """(words, conditions) uint64: the rows that meet each condition; ``values`` (n, columns) float32."""
        numbers = values.take(self._column, axis=1)
        parts = [numbers <= self._threshold]
        if len(self._missing):
            parts[0][:, self._missing] |= np.isnan(numbers.take(self._missing, axis=1))
        for (column, table), size in zip(self._tables, self._sizes, strict=True):
            rows = table.take(_codes(values[:, column], len(table) - 1), axis=0)
            parts.append(np.unpackbits(rows, axis=1, count=size).view(bool))
        bits = np.packbits(np.concatenate(parts, axis=1), axis=0, bitorder="little")  # (rows / 8, conditions)
        words = np.zeros((-(-len(bits) // 8), bits.shape[1], 8), np.uint8)
        for byte in range(len(bits)):
            words[byte // 8, :, byte % 8] = bits[byte]
        return words.view(np.uint64)[:, :, 0]


def _keys(tree: Tree) -> Iterator[_Number | _Set]:
    """The condition of each node."""
    thresholds = _rounded_down(tree.threshold)
    for node, codes in enumerate(tree.categories):
        column = int(tree.feature[node])
        if codes is None:
            yield _Number(column, float(thresholds[node]), bool(tree.missing_left[node]))
        else:
            yield _Set(column, codes.tobytes())


def _table(sets: Sequence[bytes]) -> np.ndarray:
    """(codes + 1, sets / 8) uint8: the sets, as bits, that have each code; the last row is of every other code."""
    words = [np.frombuffer(codes, np.uint8) for codes in sets]
    members = np.zeros((len(sets), max(map(len, words)) * 8 + 8), bool)
    for place, each in enumerate(words):
        members[place, : len(each) * 8] = np.unpackbits(each, bitorder="little")
    return np.packbits(members[:, :-7].T, axis=1)


def _codes(values: np.ndarray, other: int) -> np.ndarray:
    """(n,) int64 rows of a table; ``other`` for codes that it does not have, negative and missing ones."""
    inside = (values >= 0) & (values < other)
    return np.where(inside, values, other).astype(np.int64)


def _rounded_down(thresholds: np.ndarray) -> np.ndarray:
    """(n,) float64 -> (n,) float32, not above: a float32 is not above the one exactly where not above the other."""
    with np.errstate(over="ignore"):
        near = thresholds.astype(np.float32)
    return np.where(near > thresholds, np.nextafter(near, np.float32(-np.inf)), near)
