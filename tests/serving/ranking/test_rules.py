from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.spec.serving import Diversity, FrequencyCap, SeenDiscount, Serving
from serving.ranking.rules import Seen, allowance, apply_rules, beyond, by_score, discounted

SLATES = st.lists(st.tuples(st.floats(0, 1), st.booleans(), st.sampled_from(["", "a", "b", "c"])), max_size=30)
MOST = st.integers(1, 4)
FACTOR = st.floats(0.01, 0.99)
Slate = list[tuple[float, bool, str]]
CLICK = Seen("clicked", 1_767_700_800_000_000)


def columns(slate: Slate) -> tuple[np.ndarray, list[Seen | None], list[str]]:
    scores, creators = ([row[place] for row in slate] for place in (0, 2))
    return np.array(scores, np.float64), [CLICK if row[1] else None for row in slate], creators  # type: ignore[return-value]


@given(SLATES)
def test_without_rules_a_slate_falls_by_score_and_equals_stay(slate: Slate) -> None:
    scores, seen, creators = columns(slate)
    found = apply_rules(Serving(), scores, seen, creators, 99, "")
    assert found.order.tolist() == sorted(range(len(slate)), key=lambda place: (-scores[place], place))
    assert not found.capped.any()
    np.testing.assert_array_equal(found.scores, scores)


@given(SLATES, FACTOR, MOST, MOST, st.integers(0, 40))
def test_rules_only_move_and_mark(slate: Slate, factor: float, creators_most: int, most: int, shown: int) -> None:
    scores, seen, creators = columns(slate)
    rules = Serving(
        frequency_cap=FrequencyCap(counter="day", most=most),
        seen_discount=SeenDiscount(factor=factor),
        diversity=Diversity(creation="by", most=creators_most),
    )
    found = apply_rules(rules, scores, seen, creators, shown, "")
    assert sorted(found.order.tolist()) == list(range(len(slate)))
    left = min(len(slate), max(0, most - shown))
    assert found.capped[found.order].tolist() == [False] * left + [True] * (len(slate) - left)
    again = apply_rules(rules, scores, seen, creators, shown, "")
    np.testing.assert_array_equal(again.order, found.order)


def switched(rule: st.SearchStrategy) -> st.SearchStrategy:
    return st.none() | rule


RULES = st.builds(
    Serving,
    frequency_cap=switched(st.builds(FrequencyCap, counter=st.just("day"), most=MOST)),
    seen_discount=switched(st.builds(SeenDiscount, factor=FACTOR)),
    diversity=switched(st.builds(Diversity, creation=st.just("by"), most=MOST)),
)


@given(RULES, SLATES, st.integers(0, 40))
def test_sorting_by_what_is_shown_gives_the_order(rules: Serving, slate: Slate, shown: int) -> None:
    scores, seen, creators = columns(slate)
    found = apply_rules(rules, scores, seen, creators, shown, "")
    named = [{entry["rule"]: entry for entry in entries} for entries in found.adjustments]
    expected = sorted(range(len(slate)), key=lambda place: ("diversity" in named[place], -found.scores[place], place))
    assert found.order.tolist() == expected
    for place, entries in enumerate(named):
        factor = entries.get("seen_discount", {}).get("factor", 1.0)
        assert found.scores[place] == scores[place] * factor
        assert ("frequency_cap" in entries) == found.capped[place]
        assert entries.keys() <= {name for name, rule in rules if rule is not None}
        assert ("seen_discount" in entries) == (rules.seen_discount is not None and seen[place] is not None)


@given(SLATES, FACTOR)
def test_a_discount_comes_before_the_ranking_and_touches_what_was_seen_alone(slate: Slate, factor: float) -> None:
    scores, seen, creators = columns(slate)
    mask = np.array([row[1] for row in slate], bool)
    found = discounted(scores, mask, factor)
    np.testing.assert_array_equal(found[~mask], scores[~mask])
    np.testing.assert_array_equal(found[mask], scores[mask] * factor)
    rules = Serving(seen_discount=SeenDiscount(factor=factor))
    ranked = apply_rules(rules, scores, seen, creators, 0, "")
    np.testing.assert_array_equal(ranked.order, by_score(found))


def test_what_was_seen_falls_behind_what_is_new() -> None:
    rules = Serving(seen_discount=SeenDiscount(factor=0.5))
    found = apply_rules(rules, np.array([0.9, 0.5]), [CLICK, None], ["", ""], 0, "")
    assert found.order.tolist() == [1, 0]
    assert found.scores.tolist() == [0.45, 0.5]


@given(SLATES, MOST)
def test_no_creator_has_more_than_its_share_in_front(slate: Slate, most: int) -> None:
    scores, _, creators = columns(slate)
    order = by_score(scores)
    rules = Serving(diversity=Diversity(creation="by", most=most))
    found = apply_rules(rules, scores, [None] * len(slate), creators, 0, "").order
    named = Counter(creator for creator in creators if creator)
    kept = sum(min(count, most) for count in named.values()) + creators.count("")
    head, tail = found[:kept].tolist(), found[kept:].tolist()
    assert max(Counter(creators[place] for place in head if creators[place]).values(), default=0) <= most
    assert all(named[creators[place]] > most for place in tail)
    rank = {place: number for number, place in enumerate(order.tolist())}
    for part in (head, tail):  # within each, by score
        assert [rank[place] for place in part] == sorted(rank[place] for place in part)
    for creator in named:  # items of one creator keep their order
        assert [rank[p] for p in found.tolist() if creators[p] == creator] == sorted(
            rank[p] for p in found.tolist() if creators[p] == creator
        )
    again = beyond(found, creators, most)
    assert again[found].tolist() == [False] * kept + [True] * (len(slate) - kept)


def test_an_allowance_is_what_is_left_of_the_cap() -> None:
    assert [allowance(shown, 3) for shown in (0, 1, 3, 8)] == [3, 2, 0, 0]


def test_all_rules_of_a_slate_by_hand() -> None:
    rules = Serving(
        seen_discount=SeenDiscount(factor=0.5),
        diversity=Diversity(creation="by", most=1),
        frequency_cap=FrequencyCap(counter="day", most=4),
    )
    scores, seen = np.array([0.8, 0.7, 0.6, 0.5, 0.4]), [CLICK, None, None, None, CLICK]
    found = apply_rules(rules, scores, seen, ["b", "a", "a", "", ""], 1.9, "")
    assert found.scores.tolist() == [0.4, 0.7, 0.6, 0.5, 0.2]
    assert found.order.tolist() == [1, 3, 0, 4, 2]  # the second item of "a" is last
    assert found.capped.tolist() == [False, False, True, False, True]  # three of five are left
    discount, moved, cap = (
        {"rule": "seen_discount", "factor": 0.5, "action": "clicked", "time": "2026-01-06T12:00:00+00:00"},
        {"rule": "diversity", "most": 1},
        {"rule": "frequency_cap", "most": 4},
    )
    assert found.adjustments == [[discount], [], [moved, cap], [], [discount, cap]]
    assert beyond(np.array([2, 1, 0]), ["a", "a", "a"], 2).tolist() == [True, False, False]
