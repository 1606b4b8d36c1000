"""Business rules applied to the scores: seen discount, ranking, creator diversity, exploration, frequency cap.

Arrays have one entry per candidate, C in all, in request order. An ``order`` holds candidate positions, best first.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from models.spec.serving import Serving
from models.time_units import SECOND, iso
from serving.ranking.explore import ordered

Adjustments = list[list[dict[str, Any]]]
"""By candidate: the rules that changed its score or position, in the order in which they are applied."""
POPULARITY: dict[str, Any] = {"rule": "popularity"}
"""The score is the item's popularity prior, because the online store did not respond."""


class Seen(NamedTuple):
    """The member's newest activity on a candidate."""

    action: str
    """Its edge type."""
    time: int
    """Microseconds UTC."""


class RuleResult(NamedTuple):
    """Scores and ranking after the rules, for C candidates."""

    scores: np.ndarray
    """(C,) float64, by candidate: the ranking scores, i.e. probabilities times the rules' factors."""
    order: np.ndarray
    """(C,) int64: candidate positions, best first. Candidates moved by ``diversity`` come after all others; within both
    groups scores fall and ties keep request order, unless the slate is ordered at random."""
    propensities: np.ndarray
    """(C,) float64, by candidate, in (0, 1]: the probability that a slate has it at its rank; 1 without ``explore``."""
    capped: np.ndarray
    """(C,) bool, by candidate: exceeds the member's frequency cap."""
    adjustments: Adjustments


def apply_rules(
    rules: Serving, scores: np.ndarray, seen: Sequence[Seen | None], creators: Sequence[str], shown: float, slate: str
) -> RuleResult:
    """Apply the rules that the spec turns on.

    ``scores`` (C,): probabilities of the primary task; ``seen``: C activities, None = the member has not acted on it;
    ``creators``: C keys, "" = unknown; ``shown``: the member's exposures within the cap's window; ``slate``: the
    slate's id, which decides whether it is ordered at random.
    """
    if rules.seen_discount is not None:
        scores = discounted(scores, _acted_on(seen), rules.seen_discount.factor)
    greedy = by_score(scores)
    moved, capped = np.zeros(len(scores), bool), np.zeros(len(scores), bool)
    groups = [greedy]
    if rules.diversity is not None:
        moved = beyond(greedy, creators, rules.diversity.most)
        groups = [greedy[~moved[greedy]], greedy[moved[greedy]]]
    order, propensities, explored = ordered(groups, rules.explore, slate)
    if rules.frequency_cap is not None:
        capped[order[allowance(shown, rules.frequency_cap.most) :]] = True
    return RuleResult(scores, order, propensities, capped, adjustments(rules, seen, moved, explored, capped))


def discounted(scores: np.ndarray, seen: np.ndarray, factor: float) -> np.ndarray:
    """Multiply the scores of seen items by ``factor``: (C,)."""
    return np.where(seen, scores * factor, scores)


def by_score(scores: np.ndarray) -> np.ndarray:
    """Positions by falling score; ties keep request order: (C,)."""
    return np.argsort(-scores, kind="stable")


def beyond(order: np.ndarray, creators: Sequence[str], most: int) -> np.ndarray:
    """(C,) bool, by candidate: at least ``most`` items of its creator rank before it."""
    count: Counter[str] = Counter()
    found = np.zeros(len(order), bool)
    for place in order.tolist():
        creator = creators[place]
        if creator:
            count[creator] += 1
            found[place] = count[creator] > most
    return found


def allowance(shown: float, most: int) -> int:
    """How many more items the member may be shown."""
    return max(0, most - int(shown))


def adjustments(
    rules: Serving,
    seen: Sequence[Seen | None],
    moved: np.ndarray,
    explored: dict[str, Any] | None,
    capped: np.ndarray,
) -> Adjustments:
    """List the rules that changed each candidate; ``moved`` and ``capped`` are (C,) bool.

    ``explored``: the entry of every candidate of a slate that was ordered at random, else None. Candidates with equal
    entries share one list object.
    """
    given: list[tuple[np.ndarray, dict[str, Any]]] = []
    if rules.diversity is not None:
        given.append((moved, {"rule": "diversity", "most": rules.diversity.most}))
    if explored is not None:
        given.append((np.ones(len(seen), bool), explored))
    if rules.frequency_cap is not None:
        given.append((capped, {"rule": "frequency_cap", "most": rules.frequency_cap.most}))
    kinds: Adjustments = [[]]
    code = np.zeros(len(seen), np.int64)
    for place, (touched, rule) in enumerate(given):
        code += touched.astype(np.int64) << place
        kinds += [[*kind, rule] for kind in kinds]
    found = [kinds[kind] for kind in code.tolist()]
    if rules.seen_discount is not None:
        discount = {"rule": "seen_discount", "factor": rules.seen_discount.factor}
        for place, activity in enumerate(seen):
            if activity is not None:  # the first rule
                time = iso(activity.time // SECOND * SECOND)  # as in the reasons
                found[place] = [{**discount, "action": activity.action, "time": time}, *found[place]]
    return found


def _acted_on(seen: Sequence[Seen | None]) -> np.ndarray:
    return np.array([activity is not None for activity in seen], bool)
