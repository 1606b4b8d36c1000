"""Exploration: the share of slates in random order, what still holds in them, and their propensities."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.spec.serving import Diversity, Explore, FrequencyCap, Serving
from serving.ranking.rules import RuleResult, apply_rules

SCORES = np.array([0.3, 0.9, 0.5, 0.7, 0.1])
CREATORS = ["a", "a", "b", "a", ""]  # with `most=1`, the items 0 and 3 follow after all others
DIVERSE = Diversity(creation="by", most=1)
SLATES = 4000
RULES = [
    Serving(explore=Explore(share=0.3)),
    Serving(explore=Explore(share=1.0)),
    Serving(explore=Explore(share=0.5), diversity=DIVERSE),
    Serving(explore=Explore(share=0.5), diversity=DIVERSE, frequency_cap=FrequencyCap(counter="day", most=2)),
    Serving(diversity=DIVERSE),
    Serving(explore=Explore(share=0.0)),
]


def found(rules: Serving, slate: str, scores: np.ndarray = SCORES) -> RuleResult:
    creators = CREATORS if len(scores) == len(CREATORS) else [""] * len(scores)
    return apply_rules(rules, scores, [None] * len(scores), creators, 0, slate)


def served(rules: Serving) -> Iterator[RuleResult]:
    return (found(rules, f"call-{number}/0") for number in range(SLATES))


def explored(result: RuleResult) -> bool:
    return any(entry["rule"] == "explore" for entries in result.adjustments for entry in entries)


@pytest.mark.parametrize("rules", RULES)
def test_a_propensity_is_how_often_an_item_has_its_rank(rules: Serving) -> None:
    times: Counter[tuple[int, int]] = Counter()
    logged: dict[tuple[int, int], float] = {}
    for result in served(rules):
        for rank, item in enumerate(result.order.tolist()):
            times[item, rank] += 1
            assert logged.setdefault((item, rank), result.propensities[item]) == result.propensities[item]
    for place, propensity in logged.items():
        assert 0 < propensity <= 1
        error = np.sqrt(propensity * (1 - propensity) / SLATES)
        assert times[place] / SLATES == pytest.approx(propensity, abs=5 * error)
    for rank in range(len(SCORES)):
        assert sum(value for (_, at), value in logged.items() if at == rank) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 1.0])
def test_the_share_of_slates_is_ordered_at_random_and_says_so(share: float) -> None:
    rules = Serving(explore=Explore(share=share))
    results = list(served(rules))
    random = [result for result in results if explored(result)]
    assert len(random) / SLATES == pytest.approx(share, abs=5 * np.sqrt(share * (1 - share) / SLATES))
    entry = {"rule": "explore", "order": "uniform", "share": share}
    assert all(result.adjustments == [[entry]] * 5 for result in random)
    greedy = [1, 3, 2, 0, 4]
    assert {tuple(result.order) for result in results if not explored(result)} <= {tuple(greedy)}
    assert all((result.scores == SCORES).all() for result in random)


def test_other_rules_hold_in_a_random_order() -> None:
    rules = Serving(explore=Explore(share=1.0), diversity=DIVERSE, frequency_cap=FrequencyCap(counter="day", most=2))
    seen = set()
    for result in served(rules):
        order = result.order.tolist()
        assert set(order[3:]) == {0, 3}
        assert result.capped[result.order].tolist() == [False, False, True, True, True]
        names = [[entry["rule"] for entry in entries] for entries in result.adjustments]
        assert names[0] == names[3] == ["diversity", "explore", "frequency_cap"]
        assert ("frequency_cap" in names[1]) == result.capped[1]
        seen.add(tuple(order))
    assert len(seen) == 6 * 2  # every order of the first three and of the last two


def test_the_slates_id_alone_decides() -> None:
    rules = Serving(explore=Explore(share=0.5))
    for number in range(50):
        first, second = (found(rules, f"call/{number}") for _ in range(2))
        np.testing.assert_array_equal(first.order, second.order)
    orders = {tuple(found(rules, f"call/{number}").order) for number in range(50)}
    assert len(orders) > 10


@given(st.floats(0, 1), st.lists(st.floats(0, 1), max_size=40), st.text(max_size=5))
def test_propensities_are_probabilities_for_slates_of_any_size(share: float, scores: list[float], slate: str) -> None:
    result = found(Serving(explore=Explore(share=share)), slate, np.array(scores, np.float64))
    assert sorted(result.order.tolist()) == list(range(len(scores)))
    assert ((result.propensities > 0) & (result.propensities <= 1)).all()
