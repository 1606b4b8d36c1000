"""Small vectorised draws that every part of the world uses."""

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

HOUR = 3_600
DAY = 24 * HOUR
"""Seconds. Inside the world, times are whole seconds since its first midnight."""

CHUNK = 100_000
"""Rows handled at once where candidates are scored: bounds memory in the large world."""


def unit(vectors: Floats) -> Floats:
    """Scale the last axis to length 1."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def choose(rng: np.random.Generator, score: Floats) -> Ints:
    """Pick one column a row with probability softmax(score): the Gumbel trick.  (n, k) -> (n,)"""
    return np.argmax(score + rng.gumbel(size=score.shape), axis=1)


def hour_of(time: Ints) -> Floats:
    """Hour of the day, UTC, with its fraction."""
    return (time % DAY) / HOUR


def hour_fit(time: Ints, peak: Floats) -> Floats:
    """1 at a member's peak hour, -1 twelve hours away."""
    return np.cos((hour_of(time) - peak) * (2 * np.pi / 24))


def observed(rng: np.random.Generator, latent: Floats, noise: float) -> NDArray[np.float32]:
    """What the data shows of a latent direction: noise added, unit length, three decimals (so that a last bit of
    floating point never changes the tables)."""
    seen = unit(latent + noise * rng.standard_normal(latent.shape) / np.sqrt(latent.shape[-1]))
    return np.round(seen, 3).astype(np.float32)


class Groups:
    """Rows grouped by a key, in the order of time within each: "a random follower of", "the latest post by"."""

    def __init__(self, key: Ints, value: Ints, time: Ints, keys: int) -> None:
        order = np.lexsort((time, key))
        self.value, self.time = value[order], time[order]
        self.start = np.searchsorted(key[order], np.arange(keys + 1))
        self._stamp = key[order] * _SPAN + (self.time + _SHIFT)

    def before(self, key: Ints, time: Ints) -> Ints:
        """How many rows of each key lie strictly before a time.  (n,), (n,) -> (n,)"""
        return np.searchsorted(self._stamp, key * _SPAN + (time + _SHIFT)) - self.start[key]

    def pick(self, rng: np.random.Generator, key: Ints, time: Ints, count: int) -> tuple[Ints, NDArray[np.bool_]]:
        """Values of random rows strictly before a time (0 where there is none), and where there was one.

        (n,), (n,) -> (n, count), (n,)
        """
        size = self.before(key, time)[:, None]
        offset = (rng.random((len(key), count)) * size).astype(np.int64)
        found = size[:, 0] > 0
        picked = np.zeros(offset.shape, np.int64)
        picked[found] = self.value[(self.start[key][:, None] + offset)[found]]
        return picked, found


_SHIFT = 2**29
_SPAN = 2**30
"""Times fit in [-2^29, 2^29) seconds (17 years), so that key and time make one sortable int64."""
BEGINNING = -_SHIFT
"""Before everything."""


def count_between(key: Ints, time: Ints, asked: Ints, start: Ints, end: Ints) -> Ints:
    """For each asked key, the rows with that key and start <= time < end.  Keys below 2^33."""
    stamp = np.sort(key * _SPAN + (time + _SHIFT))
    upper = np.searchsorted(stamp, asked * _SPAN + (end + _SHIFT))
    return upper - np.searchsorted(stamp, asked * _SPAN + (start + _SHIFT))
