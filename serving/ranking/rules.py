"""Business rules between score and answer, as functions of arrays: discount, rank, diversify, cap.

C candidates are in the order of the request; an order names their places, best first.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from models.spec.serving import Serving

Adjustments = list[list[dict[str, Any]]]
"""By candidate: the rules that changed its score or its place, by their names in the spec, in the order they work."""
POPULARITY: dict[str, Any] = {"rule": "popularity"}
"""The score is the item's own rate, since the online store did not answer."""


class RuleResult(NamedTuple):
    """What the rules made of the scores of C candidates."""

    scores: np.ndarray
    """(C,) float64: what was ranked by, by candidate: probabilities times the factors of the adjustments."""
    order: np.ndarray
    """(C,) int64: the candidates' places, best first."""
    capped: np.ndarray
    """(C,) bool, by candidate: beyond what the member may still be shown."""
    adjustments: Adjustments
    """Those that ``diversity`` moved are behind all others; in both groups scores fall and ties keep their order."""


def apply_rules(
    rules: Serving, scores: np.ndarray, seen: np.ndarray, creators: Sequence[str], shown: float
) -> RuleResult:
    """Apply the rules that are on.

    ``scores`` (C,): probabilities of the primary task; ``seen`` (C,) bool: what the member has met before;
    ``creators``: C keys, "" = none known; ``shown``: the member's exposures within the cap's window.
    """
    if rules.seen_discount is not None:
        scores = discounted(scores, seen, rules.seen_discount.factor)
    order = by_score(scores)
    moved, capped = np.zeros(len(scores), bool), np.zeros(len(scores), bool)
    if rules.diversity is not None:
        moved = beyond(order, creators, rules.diversity.most)
        order = np.concatenate([order[~moved[order]], order[moved[order]]])
    if rules.frequency_cap is not None:
        capped[order[allowance(shown, rules.frequency_cap.most) :]] = True
    return RuleResult(scores, order, capped, adjustments(rules, seen, moved, capped))


def discounted(scores: np.ndarray, seen: np.ndarray, factor: float) -> np.ndarray:
    """The scores, of what was seen before times ``factor``: (C,)."""
    return np.where(seen, scores * factor, scores)


def by_score(scores: np.ndarray) -> np.ndarray:
    """Places by falling score; equals stay as they came: (C,)."""
    return np.argsort(-scores, kind="stable")


def beyond(order: np.ndarray, creators: Sequence[str], most: int) -> np.ndarray:
    """(C,) bool, by candidate: ``most`` items of its creator are before it in the order."""
    met: Counter[str] = Counter()
    found = np.zeros(len(order), bool)
    for place in order.tolist():
        creator = creators[place]
        if creator:
            met[creator] += 1
            found[place] = met[creator] > most
    return found


def allowance(shown: float, most: int) -> int:
    """How many more the member may be shown."""
    return max(0, most - int(shown))


def adjustments(rules: Serving, seen: np.ndarray, moved: np.ndarray, capped: np.ndarray) -> Adjustments:
    """What each rule that is on did to a candidate, of (C,) bool each; candidates alike share one list."""
    given: list[tuple[np.ndarray, dict[str, Any]]] = []
    if rules.seen_discount is not None:
        given.append((seen, {"rule": "seen_discount", "factor": rules.seen_discount.factor}))
    if rules.diversity is not None:
        given.append((moved, {"rule": "diversity", "most": rules.diversity.most}))
    if rules.frequency_cap is not None:
        given.append((capped, {"rule": "frequency_cap", "most": rules.frequency_cap.most}))
    kinds: Adjustments = [[]]
    code = np.zeros(len(seen), np.int64)
    for place, (touched, rule) in enumerate(given):
        code += touched.astype(np.int64) << place
        kinds += [[*kind, rule] for kind in kinds]
    return [kinds[kind] for kind in code.tolist()]
