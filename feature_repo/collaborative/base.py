"""Two-way base: mean + member effect + item effect, each shrunk toward 0 (Koren, "Factor in the Neighbors", 2.1)."""

import numpy as np

from feature_repo.collaborative.events import Pairs

_SHRUNK = 10.0
"""Pseudo-events with an effect of 0."""
_SWEEPS = 10
"""Back-fitting sweeps; the effects converge within these."""


def fit_base(pairs: Pairs) -> tuple[np.float32, np.ndarray]:
    """The mean outcome and the effect of each item: (I,) float32."""
    if not len(pairs.outcome):
        return np.float32(0), np.zeros(len(pairs.items), np.float32)
    mean = np.float32(pairs.outcome.mean(dtype=np.float64))
    items = np.zeros(len(pairs.items), np.float32)
    for _ in range(_SWEEPS):
        left = pairs.outcome - np.float64(mean) - member_effects(pairs, mean, items)[pairs.member]
        items = _shrunk(pairs.item, left, len(items)).astype(np.float32)
    return mean, items


def member_effects(pairs: Pairs, mean: np.float32, items: np.ndarray) -> np.ndarray:
    """The effect of each member, (M,) float32, given the items', (I,) float32."""
    left = pairs.outcome - np.float64(mean) - items[pairs.item]
    return _shrunk(pairs.member, left, len(pairs.members)).astype(np.float32)


def residuals(pairs: Pairs, mean: np.float32, members: np.ndarray, items: np.ndarray) -> np.ndarray:
    """Outcome minus base of each pair: (P,) float32; ``members`` (M,) and ``items`` (I,) are effects."""
    left = pairs.outcome - np.float64(mean) - members[pairs.member] - items[pairs.item]
    return left.astype(np.float32)


def _shrunk(places: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    """Sum of values over pseudo-count plus count, by place: (count,) float64."""
    return np.bincount(places, values, count) / (np.bincount(places, minlength=count) + _SHRUNK)
