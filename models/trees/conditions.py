"""``Conditions``: the distinct conditions of many trees, each compared once per row, as bits over rows."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from models.trees.errors import TreesError
from models.trees.text import Tree

_WORD = 64
_MOST_BYTES = 1 << 28
"""Of all tables of codes."""


class _Number(NamedTuple):
    """A number not above the threshold, or a missing one where ``missing``."""

    column: int
    missing: bool
    threshold: float


class _Set(NamedTuple):
    """A code in a set, given as bits."""

    column: int
    codes: bytes


class Conditions:
    """Numbers not above a threshold, then codes in a set; each group in the order of its columns."""

    def __init__(self, trees: Sequence[Tree], columns: int) -> None:
        """Raises TreesError where the sets of codes are too large to keep."""
        keys = [list(_keys(tree)) for tree in trees]
        distinct = {key for own in keys for key in own}
        numbers = sorted(key for key in distinct if isinstance(key, _Number))
        sets = sorted(key for key in distinct if isinstance(key, _Set))
        place = {key: at for at, key in enumerate([*numbers, *sets])}
        self.of_tree = [np.array([place[key] for key in own], np.int64) for own in keys]
        """By tree, the condition of each node."""
        self._numbers = _Thresholds(numbers)
        by_column = {column: [key.codes for key in sets if key.column == column] for column in range(columns)}
        by_column = {column: codes for column, codes in by_column.items() if codes}
        if sum(rows * width for rows, width in map(_table_shape, by_column.values())) > _MOST_BYTES:
            raise TreesError(f"trees: expected sets of codes of at most {_MOST_BYTES} bytes: fit fewer rounds")
        self._tables = [(column, _table(codes)) for column, codes in by_column.items()]
        self._sizes = [len(codes) for codes in by_column.values()]

    def met(self, values: np.ndarray) -> np.ndarray:
        """(words, conditions) uint64: the rows that meet each condition; ``values`` (n, columns) float32."""
        met = self._numbers.met(values)
        parts = []
        for (column, table), size in zip(self._tables, self._sizes, strict=True):
            rows = table.take(_codes(values[:, column], len(table) - 1), axis=0)
            parts.append(np.unpackbits(rows, axis=1, count=size))
        if not parts:
            return met
        bits = np.packbits(np.concatenate(parts, axis=1), axis=0, bitorder="little")  # (rows / 8, sets)
        words = np.zeros((len(met), bits.shape[1], 8), np.uint8)
        for byte in range(len(bits)):
            words[byte // 8, :, byte % 8] = bits[byte]
        return np.concatenate([met, words.view(np.uint64)[:, :, 0]], axis=1)


class _Thresholds:
    """Conditions on numbers, sorted; one search finds a row's first condition of a column, and it meets all after it.

    A group is a column with one treatment of missing numbers. Group g has a slot per condition and one for the rows
    that meet none. A row sets its bit in one slot of each group; the running sum of the slots is, modulo 2^64, g times
    the bits of all rows plus the bits of those that meet the slot's condition.
    """

    def __init__(self, conditions: Sequence[_Number]) -> None:
        pairs = sorted({(key.column, key.missing) for key in conditions})
        place = {pair: at for at, pair in enumerate(pairs)}
        self._group = np.array([place[key.column, key.missing] for key in conditions], np.int64)
        self._columns = np.array([column for column, _ in pairs], np.int64)
        ends = np.searchsorted(self._group, np.arange(len(pairs) + 1))
        missing = np.array([meets for _, meets in pairs], bool)
        self._of_missing = np.where(missing, ends[:-1], ends[1:])
        thresholds = np.array([key.threshold for key in conditions], np.float32)
        self._keys = _sortable(thresholds) | self._group.astype(np.uint64) << np.uint64(32)
        self._slots = np.arange(len(conditions)) + self._group

    def met(self, values: np.ndarray) -> np.ndarray:
        """(words, conditions) uint64 of ``values`` (n, columns) float32."""
        numbers = values.take(self._columns, axis=1)
        groups = np.arange(len(self._columns))
        first = np.searchsorted(self._keys, _sortable(numbers) | groups.astype(np.uint64) << np.uint64(32))
        slots = np.where(np.isnan(numbers), self._of_missing, first) + groups
        rows, size = np.arange(len(values)), len(self._keys) + len(groups)
        words, bits = -(-len(values) // _WORD), np.uint64(1) << (rows % _WORD).astype(np.uint64)
        sums = np.zeros(words * size, np.uint64)
        np.add.at(sums, slots + (rows // _WORD * size)[:, None], bits[:, None])
        total = np.zeros(words, np.uint64)
        np.add.at(total, rows // _WORD, bits)
        running = np.cumsum(sums.reshape(words, size), axis=1, dtype=np.uint64).take(self._slots, axis=1)
        return running - total[:, None] * self._group.astype(np.uint64)


def _keys(tree: Tree) -> Iterator[_Number | _Set]:
    """The condition of each node."""
    thresholds = _rounded_down(tree.threshold)
    for node, codes in enumerate(tree.categories):
        column = int(tree.feature[node])
        if codes is None:
            yield _Number(column, bool(tree.missing_left[node]), float(thresholds[node]))
        else:
            yield _Set(column, codes.tobytes())


def _table_shape(sets: Sequence[bytes]) -> tuple[int, int]:
    """Rows and bytes of a row of ``_table``."""
    return max(map(len, sets)) * 8 + 1, -(-len(sets) // 8)


def _table(sets: Sequence[bytes]) -> np.ndarray:
    """(codes + 1, sets / 8) uint8: the sets, as bits, that have each code; the last row is of every other code."""
    table = np.zeros(_table_shape(sets), np.uint8)
    for place, codes in enumerate(sets):
        members = np.flatnonzero(np.unpackbits(np.frombuffer(codes, np.uint8), bitorder="little"))
        table[members, place // 8] |= np.uint8(128 >> place % 8)
    return table


def _codes(values: np.ndarray, other: int) -> np.ndarray:
    """(n,) int64 rows of a table; ``other`` for codes that it does not have, negative and missing ones."""
    inside = (values >= 0) & (values < other)
    return np.where(inside, values, other).astype(np.int64)


def _sortable(values: np.ndarray) -> np.ndarray:
    """float32 -> uint64 below 2^32 of the same shape, in the same order; any number for NaN."""
    bits = (values + np.float32(0)).view(np.uint32)  # -0 and 0 are equal
    sign = np.uint32(1 << 31)
    return np.where(bits & sign, ~bits, bits | sign).astype(np.uint64)


def _rounded_down(thresholds: np.ndarray) -> np.ndarray:
    """(n,) float64 -> (n,) float32, not above: a float32 is not above the one exactly where not above the other."""
    with np.errstate(over="ignore"):
        near = thresholds.astype(np.float32)
    return np.where(near > thresholds, np.nextafter(near, np.float32(-np.inf)), near)
