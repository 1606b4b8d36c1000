"""Exploration: a share of the slates is ordered at random, and every candidate has the propensity of its rank.

The id of a slate, which no caller can choose, decides whether and how it is ordered: the served log can be recomputed.
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np

from models.spec.serving import Explore

_BYTES = 8


class Ordering(NamedTuple):
    """An order of C candidates, and how likely it was."""

    order: np.ndarray
    """(C,) int64: candidate positions, first rank first."""
    propensities: np.ndarray
    """(C,) float64, by candidate, in (0, 1]: the probability that a slate has it at the rank that it has here."""
    entry: dict[str, Any] | None
    """The adjustment of a slate that was ordered at random; None for any other."""


def ordered(groups: Sequence[np.ndarray], explore: Explore | None, slate: str) -> Ordering:
    """Put the groups one after another; a share of the slates in random order, uniform within each group.

    ``groups``: candidate positions (G,) each, in greedy order; no candidate leaves its group. ``slate``: the slate's
    id.
    """
    greedy = np.concatenate(groups)
    if explore is None:
        return Ordering(greedy, np.ones(len(greedy)), None)
    random = _generator(slate, explore.share)
    order = greedy if random is None else np.concatenate([random.permutation(group) for group in groups])
    found = np.empty(len(greedy))
    found[order] = _chances(groups, explore.share) + (1 - explore.share) * (order == greedy)
    entry = None if random is None else {"rule": "explore", "order": explore.rule, "share": explore.share}
    return Ordering(order, found, entry)


def _generator(slate: str, share: float) -> np.random.Generator | None:
    """The random numbers of a slate that is ordered at random; None for all others."""
    digest = blake2b(slate.encode(), digest_size=2 * _BYTES).digest()
    if int.from_bytes(digest[:_BYTES]) >= share * 2 ** (8 * _BYTES):
        return None
    return np.random.default_rng(int.from_bytes(digest[_BYTES:]))


def _chances(groups: Sequence[np.ndarray], share: float) -> np.ndarray:
    """By rank, the probability that a random order puts a given candidate of the group there: (C,)."""
    return np.concatenate([np.full(len(group), share / max(1, len(group))) for group in groups])
