"""Business rules refer to a counter of the member and to the edge between items and their creators."""

from collections.abc import Callable

import pytest

from models.spec import parse_spec
from models.time_units import HOUR
from tests.models.spec.small import GOOD, changed, check_mistake

EDGE = {**GOOD["edges"]["clicked"], "filter": {}, "kind": "intrinsic"}


def with_rules(**rules: dict) -> Callable[[dict], None]:
    """A change that adds rules, counters and edges that they may refer to."""

    def change(document: dict) -> None:
        document["nodes"]["author"] = {"key": "author_id"}
        author, post = ({"node": node, "column": f"{node}_id"} for node in ("author", "post"))
        document["edges"] |= {
            "made_by": {**EDGE, "source": post, "target": author},
            "makes": {**EDGE, "source": author, "target": post},
            "likes": {**EDGE, "source": author, "target": post, "kind": "affinity"},
            "repeats": {**EDGE, "source": post, "target": post},
            "knows": {**EDGE, "source": author, "target": author},
        }
        document["counters"] = {
            name: {"keys": keys}
            for name, keys in {
                "by_member": ["member"],
                "by_both": ["surface", "member"],
                "by_surface": ["surface"],
                "by_pair": ["member", "item"],
            }.items()
        }
        document["serving"] = rules

    return change


@pytest.mark.parametrize("counter", ["by_member", "by_both"])
def test_a_counter_that_a_cap_may_use(counter: str) -> None:
    spec = parse_spec(changed(with_rules(frequency_cap={"counter": counter, "most": 1})))
    assert spec.serving.frequency_cap is not None
    assert spec.serving.frequency_cap.counter == counter


@pytest.mark.parametrize("counter", ["by_surface", "by_pair", "nowhere"])
def test_a_counter_that_a_cap_may_not_use(counter: str) -> None:
    change = with_rules(frequency_cap={"counter": counter, "most": 1})
    check_mistake(change, "serving.frequency_cap.counter", "with surface (by_both, by_member)", repr(counter))
    check_mistake(with_rules(frequency_cap={"counter": "by_member", "most": 0}), "cap.most", "greater than 0", "0")


@pytest.mark.parametrize("edge", ["made_by", "makes"])
def test_an_edge_that_diversity_may_use(edge: str) -> None:
    spec = parse_spec(changed(with_rules(diversity={"creation": edge, "most": 1})))
    assert spec.serving.diversity is not None
    assert spec.serving.diversity.creation == edge


@pytest.mark.parametrize("edge", ["likes", "repeats", "knows", "nowhere"])
def test_an_edge_that_diversity_may_not_use(edge: str) -> None:
    change = with_rules(diversity={"creation": edge, "most": 1})
    check_mistake(change, "serving.diversity.creation", "its creators (made_by, makes)", repr(edge))


def test_no_rule_is_on_by_default() -> None:
    serving = parse_spec(changed(lambda document: None)).serving
    rules = (serving.frequency_cap, serving.seen_discount, serving.diversity, serving.explore)
    assert rules == (None, None, None, None)


def test_a_share_of_the_slates_is_explored_uniformly() -> None:
    for share in (0, 0.02, 1):
        explore = parse_spec(changed(with_rules(explore={"share": share}))).serving.explore
        assert explore is not None
        assert (explore.share, explore.rule) == (share, "uniform")
    for share, expected in ((-0.1, "greater than or equal to 0"), (1.1, "less than or equal to 1")):
        check_mistake(with_rules(explore={"share": share}), "serving.explore.share", expected, str(share))
    check_mistake(with_rules(explore={"share": 0.1, "rule": "best"}), "serving.explore.rule", "uniform", "best")
    check_mistake(with_rules(explore={}), "serving.explore.share", "this", "nothing")


def test_the_age_of_what_is_served_has_no_limit_by_default() -> None:
    age = parse_spec(changed(lambda document: None)).serving.max_age
    assert (age.vectors_span, age.counters_span) == (None, None)


def test_a_limit_of_age_is_a_length() -> None:
    age = parse_spec(changed(with_rules(max_age={"vectors": "48h"}))).serving.max_age
    assert (age.vectors_span, age.counters_span) == (48 * HOUR, None)
    age = parse_spec(changed(with_rules(max_age={"counters": "30m"}))).serving.max_age
    assert (age.vectors_span, age.counters_span) == (None, HOUR // 2)
    for wrong in ("48", "0h", "1w", "1.5h"):
        check_mistake(with_rules(max_age={"vectors": wrong}), "serving.max_age.vectors", "a length such as", wrong)


@pytest.mark.parametrize("counters", [{}, {"by_member": {"keys": ["member"], "rates": []}}])
def test_the_age_of_counters_needs_a_counter_with_a_rate(counters: dict) -> None:
    def change(document: dict) -> None:
        document |= {"counters": counters, "serving": {"max_age": {"counters": "1d", "vectors": "1d"}}}

    check_mistake(change, "serving.max_age.counters", "a counter with a rate", "none")
