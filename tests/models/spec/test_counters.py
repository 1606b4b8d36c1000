"""Counters: the length of a window, keys, and the number of features."""

from collections.abc import Callable

import pytest

from models.spec import Counter, parse_spec
from models.time_units import DAY, HOUR, SECOND
from tests.models.spec.small import changed, check_mistake, put


@pytest.mark.parametrize(
    ("window", "span"),
    [("60s", 60 * SECOND), ("10m", 600 * SECOND), ("6h", 6 * HOUR), ("3d", 3 * DAY), (None, None)],
)
def test_the_length_of_a_window(window: str | None, span: int | None) -> None:
    assert Counter(keys=["item"], window=window).span == span


@pytest.mark.parametrize("window", ["06h", "h", "6", "6 h", "6H", "-6h", "6.5h", "٦h", "6hh", "6h\n"])
def test_a_text_that_is_no_length(window: str) -> None:
    check_mistake(put("counters.by_post.window", window), "counters.by_post.window", "such as 60s, 10m, 6h or 3d", "")


def test_last_outcomes_of_all_rates() -> None:
    counters = parse_spec(changed(put("counters.by_post", {"keys": ["item"], "last": 2}))).counters
    assert counters["by_post"].last == 2


def test_a_category_feature_of_the_item_is_a_key() -> None:
    views = {"content": {"table": "posts", "features": {"kind": "category", "length": "number"}}}

    def change(key: str) -> object:
        def apply(document: dict) -> None:
            document["nodes"]["post"]["views"] = views
            document["counters"] = {"by_kind": {"keys": [key]}}

        return apply

    assert parse_spec(changed(change("kind"))).counters["by_kind"].keys == ["kind"]
    check_mistake(change("length"), "counters.by_kind.keys.0", "a category feature of the item (kind)", "'length'")


def test_a_feature_that_is_named_like_a_role_is_no_key() -> None:
    def change(document: dict) -> None:
        document["impressions"]["surface"] = "place"
        document["nodes"]["post"]["views"] = {"content": {"table": "posts", "features": {"item": "category"}}}

    check_mistake(change, "counters.by_post.keys.0", "another name than member, item and surface", "'item'")


def many(counters: int, last: int) -> object:
    def change(document: dict) -> None:
        document["counters"] = {f"c{place}": {"keys": ["item"], "last": last} for place in range(counters)}

    return change


def test_the_number_of_rate_features_is_limited() -> None:
    rates_only = {"keys": ["item"], "rates": []}
    parse_spec(changed(many(500, 19)))  # 500 counters x 1 task x (1 rate + 19 outcomes) = 10,000

    def one_more(document: dict) -> None:
        many(500, 19)(document)
        document["counters"]["more"] = {"keys": ["item"]}

    check_mistake(one_more, "counters", "at most 10000 rate features", "10001")

    def exposures_only(document: dict) -> None:
        many(500, 19)(document)
        document["counters"]["more"] = rates_only

    parse_spec(changed(exposures_only))


def test_two_columns_of_one_counter_with_one_name() -> None:
    """``<counter>_a_sum`` and ``_of`` are columns of rate ``a`` with a filter; a task ``a_sum`` would repeat some."""

    def change(document: dict) -> None:
        document["tasks"]["x"] = {"label": "clicked"}
        document["counters"] = {"c": {"keys": ["item"]}, "c_x": {"keys": ["item"]}}
        document["tasks"]["x_x"] = {"label": "clicked"}

    check_mistake(change, "counters.c", "that nothing else has", "another, of c")


def test_what_last_exposures_are_compared_in() -> None:
    def change(keys: list[str], compare: list[str], last_exposures: int = 2) -> Callable[[dict], None]:
        def apply(document: dict) -> None:
            views = {"content": {"table": "posts", "features": {"kind": "category", "length": "number"}}}
            document["nodes"]["post"]["views"] = views
            counter = {"keys": keys, "compare": compare, "last_exposures": last_exposures}
            document["counters"] = {"seen": counter}

        return apply

    assert parse_spec(changed(change(["member"], ["surface", "item", "kind"]))).counters["seen"].last_exposures == 2
    expected = "what is no key of the counter (item, surface, kind)"
    for wrong in ("member", "length"):
        check_mistake(change(["member"], ["kind", wrong]), "counters.seen.compare.1", expected, repr(wrong))
    check_mistake(change(["member", "item"], ["item"]), "counters.seen.compare.0", "(surface, kind)", "'item'")
    check_mistake(change(["member"], ["kind"], 0), "counters.seen", "`last_exposures` beside it", "kind alone")
