"""Vectorized random draws and lookups shared by all parts of the world."""

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

HOUR = 3_600
DAY = 24 * HOUR
"""Seconds. Within the simulation, times are integer seconds since its first midnight."""

CHUNK = 100_000
"""Rows per chunk when scoring candidates; bounds memory in the large world."""


def unit(vectors: Floats) -> Floats:
    """Scale (..., d) vectors to length 1 along the last axis."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def choose(rng: np.random.Generator, score: Floats) -> Ints:
    """Draw one column per row with probability softmax(score), by the Gumbel-max trick.  (n, k) -> (n,)"""
    return np.argmax(score + rng.gumbel(size=score.shape), axis=1)


def hour_of(time: Ints) -> Floats:
    """Fractional hour of the day, UTC.  (n,) -> (n,)"""
    return (time % DAY) / HOUR


def hour_fit(time: Ints, peak: Floats) -> Floats:
    """Fit to a member's peak hour: 1 at the peak, -1 twelve hours away.  (n,), (n,) -> (n,)"""
    return np.cos((hour_of(time) - peak) * (2 * np.pi / 24))


def observed(rng: np.random.Generator, latent: Floats, noise: float) -> NDArray[np.float32]:
    """Noisy observation of latent directions, (n, d) -> (n, d) of unit length.

    Rounded to three decimals, so that the last bits of floating point never change the tables.
    """
    seen = unit(latent + noise * rng.standard_normal(latent.shape) / np.sqrt(latent.shape[-1]))
    return np.round(seen, 3).astype(np.float32)


class Groups:
    """Rows grouped by key and sorted by time, for lookups such as "a random follower of" or "the latest post by"."""

    def __init__(self, key: Ints, value: Ints, time: Ints, keys: int) -> None:
        order = np.lexsort((time, key))
        self.value, self.time = value[order], time[order]
        self.start = np.searchsorted(key[order], np.arange(keys + 1))
        self._stamp = key[order] * _SPAN + (self.time + _SHIFT)

    def before(self, key: Ints, time: Ints) -> Ints:
        """Count rows of each key strictly before a time.  (n,), (n,) -> (n,)"""
        return np.searchsorted(self._stamp, key * _SPAN + (time + _SHIFT)) - self.start[key]

    def pick(self, rng: np.random.Generator, key: Ints, time: Ints, count: int) -> tuple[Ints, NDArray[np.bool_]]:
        """Values of random rows strictly before a time (0 if there is none), and whether there is one.

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
"""Times are within [-2^29, 2^29) seconds (17 years), so that key and time fit into one sortable int64."""
BEGINNING = -_SHIFT
"""Before all times."""


def count_between(key: Ints, time: Ints, requested: Ints, start: Ints, end: Ints) -> Ints:
    """Count rows with each requested key and start <= time < end.  (rows,) x 2, (n,) x 3 -> (n,); keys below 2^33."""
    stamp = np.sort(key * _SPAN + (time + _SHIFT))
    upper = np.searchsorted(stamp, requested * _SPAN + (end + _SHIFT))
    return upper - np.searchsorted(stamp, requested * _SPAN + (start + _SHIFT))
