"""What a member has chosen, and when: what is no negative."""

import numpy as np


class Chosen:
    """The positives of a log by member and item, (rows,) int64 indices and microseconds."""

    def __init__(self, member: np.ndarray, item: np.ndarray, time: np.ndarray, items: int) -> None:
        self._items = items
        pair = self._pair(member, item)
        order = np.lexsort((time, pair))
        self._pairs, first = np.unique(pair[order], return_index=True)
        self._first = time[order][first]
        self._times = np.unique(time)
        self._places = self._place(np.searchsorted(self._pairs, pair[order]), time[order])

    def at(self, member: np.ndarray, item: np.ndarray, time: np.ndarray) -> np.ndarray:
        """(n,) bool: whether the member has chosen the item at exactly that time, which some positive has."""
        place, known = self._known(member, item)
        wanted = self._place(place, time)
        found = np.minimum(np.searchsorted(self._places, wanted), len(self._places) - 1)
        return known & (self._places[found] == wanted)

    def before(self, member: np.ndarray, item: np.ndarray, time: np.ndarray) -> np.ndarray:
        """(n,) bool: whether the member has chosen the item strictly before that time."""
        place, known = self._known(member, item)
        return known & (self._first[place] < time)

    def _known(self, member: np.ndarray, item: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        pair = self._pair(member, item)
        place = np.minimum(np.searchsorted(self._pairs, pair), len(self._pairs) - 1)
        return place, self._pairs[place] == pair

    def _pair(self, member: np.ndarray, item: np.ndarray) -> np.ndarray:
        return member.astype(np.int64) * self._items + item

    def _place(self, pair: np.ndarray, time: np.ndarray) -> np.ndarray:
        return pair * (len(self._times) + 1) + np.searchsorted(self._times, time)
