"""When items are alive, and which of them a draw proposes as of a time, from rows strictly before that time only."""

from typing import NamedTuple

import numpy as np

NEVER = np.iinfo(np.int64).max
"""The end of an item that does not end."""


class Asked(NamedTuple):
    """A time to draw at, as everything that a draw needs of it, (n,) int64 each."""

    time: np.ndarray
    first: np.ndarray
    """The entries [first, end) are those that a draw may propose."""
    end: np.ndarray

    def take(self, rows: np.ndarray) -> "Asked":
        """Those of ``rows`` (m,) int64."""
        return Asked(*(part[rows] for part in self))


class Life:
    """Entries of items in order of time. An item is alive at a time if one of its entries lies strictly before it.

    An entry is a start of an item or a positive on it. Ties are ordered by item, so entries strictly before a time are
    the same, in the same order, whatever comes later.
    """

    def __init__(self, time: np.ndarray, item: np.ndarray, day: np.ndarray, ends: np.ndarray) -> None:
        """``time``, ``item`` (index) and ``day`` (of the product) of each entry, (entries,) int64; ``ends``: (items,)
        int64, the time from which an item is no longer alive."""
        order = np.lexsort((item, time))
        self.time, self.item, self.day = time[order], item[order], day[order]
        self.ends = ends
        self._times = np.unique(self.time)
        by_item = np.argsort(self.item, kind="stable")
        counts = np.bincount(self.item, minlength=len(ends))
        self._offsets = np.concatenate([[0], np.cumsum(counts)])
        self._by_item = by_item
        self._places = self._place(self.item[by_item], np.searchsorted(self._times, self.time[by_item]))
        self._ordinal = np.empty(len(item), np.int64)
        self._ordinal[by_item] = np.arange(len(item)) - self._offsets[self.item[by_item]]
        starts = np.full(len(ends), NEVER)
        np.minimum.at(starts, self.item, self.time)
        self._starts = np.sort(starts)

    def asked(self, time: np.ndarray, oldest: np.ndarray | None) -> Asked:
        """For draws at ``time`` (n,), among entries of the day ``oldest`` (n,) or later (None = all)."""
        end = np.searchsorted(self.time, time, side="left")
        first = np.zeros_like(end) if oldest is None else np.searchsorted(self.day, oldest, side="left")
        return Asked(time, np.minimum(first, end), end)

    def started(self, time: np.ndarray) -> np.ndarray:
        """The number of items with an entry strictly before ``time`` (n,): (n,) int64."""
        return np.searchsorted(self._starts, time, side="left")

    def count(self, item: np.ndarray, time: np.ndarray) -> np.ndarray:
        """The number of entries of ``item`` (n,) strictly before ``time`` (n,): (n,) int64."""
        rank = np.searchsorted(self._times, time, side="left")
        return np.searchsorted(self._places, self._place(item, rank), side="left") - self._offsets[item]

    def drawable(self, item: np.ndarray, asked: Asked) -> np.ndarray:
        """(n,) bool: whether a draw could propose ``item`` (n,) there: the rule for positives."""
        count = self.count(item, asked.time)
        last = self._by_item[np.maximum(self._offsets[item] + count - 1, 0)] if len(self.item) else count
        return (count > 0) & (last >= asked.first) & (self.ends[item] > asked.time)

    def is_last(self, entry: np.ndarray, time: np.ndarray) -> np.ndarray:
        """(n,) bool: whether ``entry`` (n,) is its item's last one strictly before ``time`` (n,)."""
        return self._ordinal[entry] + 1 == self.count(self.item[entry], time)

    def _place(self, item: np.ndarray, rank: np.ndarray) -> np.ndarray:
        return item.astype(np.int64) * (len(self._times) + 1) + rank
