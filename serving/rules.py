"""Business rules between score and answer, as functions of arrays: discount, rank, diversify, cap.

C candidates stand in the order of the request; an order names their places, best first.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from models.spec.serving import Serving


class Standing(NamedTuple):
    """What the rules made of the scores of C candidates."""

    scores: np.ndarray
    """(C,) float64: what was ranked by, by candidate."""
    order: np.ndarray
    """(C,) int64: the candidates' places, best first."""
    capped: np.ndarray
    """(C,) bool, by candidate: beyond what the member may still be shown."""


def stand(rules: Serving, scores: np.ndarray, seen: np.ndarray, creators: Sequence[str], shown: float) -> Standing:
    """Apply the rules that are on.

    ``scores`` (C,): probabilities of the primary task; ``seen`` (C,) bool: what the member has met before;
    ``creators``: C keys, "" = none known; ``shown``: the member's exposures within the cap's window.
    """
    if rules.seen_discount is not None:
        scores = discounted(scores, seen, rules.seen_discount.factor)
    order = by_score(scores)
    if rules.diversity is not None:
        order = diversified(order, creators, rules.diversity.most)
    capped = np.zeros(len(scores), bool)
    if rules.frequency_cap is not None:
        capped[order[allowance(shown, rules.frequency_cap.most) :]] = True
    return Standing(scores, order, capped)


def discounted(scores: np.ndarray, seen: np.ndarray, factor: float) -> np.ndarray:
    """The scores, of what was seen before times ``factor``: (C,)."""
    return np.where(seen, scores * factor, scores)


def by_score(scores: np.ndarray) -> np.ndarray:
    """Places by falling score; equals stay as they came: (C,)."""
    return np.argsort(-scores, kind="stable")


def diversified(order: np.ndarray, creators: Sequence[str], most: int) -> np.ndarray:
    """The order with every creator's items beyond ``most`` behind all others; nothing else changes places: (C,)."""
    met: Counter[str] = Counter()
    beyond = np.zeros(len(order), bool)
    for rank, place in enumerate(order):
        creator = creators[place]
        if creator:
            met[creator] += 1
            beyond[rank] = met[creator] > most
    return np.concatenate([order[~beyond], order[beyond]])


def allowance(shown: float, most: int) -> int:
    """How many more the member may be shown."""
    return max(0, most - int(shown))
