"""The draw: items for each positive, decided by the hash of its key, the seed and what was alive strictly before it.

An attempt proposes one entry of ``Life`` by a hash, and keeps its item with the probability that makes the draw the
one that the spec asks for. So a draw needs no table of weights, does not depend on the order or number of the other
positives, and does not change when later rows come.
"""

from dataclasses import dataclass

import numpy as np

from feature_repo.negatives.chosen import Chosen
from feature_repo.negatives.life import Asked, Life
from models.graph.hashing import hash_integers, hash_text
from models.spec.negatives import SampleNegatives

_ATTEMPTS = 3_000
_CHUNK = 1 << 18
_STEP = 0x9E3779B97F4A7C15


@dataclass(frozen=True)
class Positives:
    """Positives that ask for negatives, (n,) int64 each."""

    hash: np.ndarray
    """Of the key."""
    member: np.ndarray
    item: np.ndarray
    asked: Asked

    def __len__(self) -> int:
        return len(self.hash)

    def take(self, rows: np.ndarray) -> "Positives":
        """Those of ``rows`` (m,) int64."""
        return Positives(self.hash[rows], self.member[rows], self.item[rows], self.asked.take(rows))


def draw(sampling: SampleNegatives, life: Life, chosen: Chosen, positives: Positives) -> np.ndarray:
    """(n, per_positive) int64 items, different ones in a row; -1 in the whole row of a positive that gets none.

    A positive gets none unless its own item could have been drawn for another member at that time, and
    ``per_positive`` others can be: then nothing about an item says that it was not drawn.
    """
    parts = [np.arange(start, min(start + _CHUNK, len(positives))) for start in range(0, len(positives), _CHUNK)]
    found = [_draw(sampling, life, chosen, positives.take(part)) for part in parts]
    return np.concatenate(found) if found else np.zeros((0, sampling.per_positive), np.int64)


def left_out(sampling: SampleNegatives, life: Life, chosen: Chosen, positives: Positives) -> dict[str, np.ndarray]:
    """By reason: (n,) bool, the positives that no draw is made for."""
    time = positives.asked.time
    repeated = np.zeros(len(positives), bool)
    if not sampling.repeats:
        repeated = chosen.before(positives.member, positives.item, time)
    return {
        "item could not be drawn": ~life.drawable(positives.item, positives.asked),
        "chosen before": repeated,
        "too few items": life.started(time) <= sampling.per_positive,
    }


def _draw(sampling: SampleNegatives, life: Life, chosen: Chosen, positives: Positives) -> np.ndarray:
    taken = np.full((len(positives), sampling.per_positive), -1, np.int64)
    filled = np.zeros(len(positives), np.int64)
    none = np.logical_or.reduce(list(left_out(sampling, life, chosen, positives).values()))
    active = np.flatnonzero(~none)
    start = positives.hash ^ hash_text(f"sampled negatives {sampling.seed}")
    for attempt in range(_ATTEMPTS):
        if not len(active):
            break
        asking = positives.take(active)
        mixed = hash_integers(start[active] + np.int64((attempt * _STEP) & (2**62 - 1)))
        first, end = asking.asked.first, asking.asked.end
        entry = np.minimum(first + (_uniform(mixed) * (end - first)).astype(np.int64), end - 1)
        item = life.item[entry]
        kept = _accepted(sampling, life, entry, asking.asked.time, mixed)
        kept &= (life.ends[item] > asking.asked.time) & (taken[active] != item[:, None]).all(axis=1)
        kept &= ~chosen.at(asking.member, item, asking.asked.time)
        if not sampling.repeats:
            kept &= ~chosen.before(asking.member, item, asking.asked.time)
        rows = active[kept]
        taken[rows, filled[rows]] = item[kept]
        filled[rows] += 1
        active = active[filled[active] < sampling.per_positive]
    taken[filled < sampling.per_positive] = -1
    return taken


def _accepted(
    sampling: SampleNegatives, life: Life, entry: np.ndarray, time: np.ndarray, mixed: np.ndarray
) -> np.ndarray:
    """(n,) bool: whether the item of a proposed entry is drawn.

    For popularity an item is proposed in proportion to its n entries, so it is kept with probability n^power / n.
    """
    if sampling.by == "uniform":
        return np.ones(len(entry), bool)  # an item has one entry
    if sampling.by == "recent":
        return life.is_last(entry, time)
    count = life.count(life.item[entry], time).astype(np.float64)
    return _uniform(hash_integers(~mixed)) < count ** (sampling.power - 1)


def _uniform(mixed: np.ndarray) -> np.ndarray:
    """63 random bits -> a number in [0, 1)."""
    return (mixed >> np.int64(10)).astype(np.float64) / 2.0**53
