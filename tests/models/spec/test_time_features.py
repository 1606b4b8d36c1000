"""Time features and the context of candidates in a spec: what is refused, and the features that come of them."""

from typing import Any

import pytest

from models.features import (
    ages_since,
    drifting_features,
    impression_features,
    item_features,
    member_state_columns,
    node_features,
)
from models.spec import Feature, Spec, SpecError, check_columns
from tests.factories import specs

NODES: dict[str, Any] = {
    "member": {
        "key": "member_id",
        "views": {"profile": {"table": "members", "features": {"joined": "time", "country": "category"}}},
    },
    "item": {
        "key": "item_id",
        "views": {"content": {"table": "items", "time": "published", "features": {"published": "time"}}},
    },
    "creator": {
        "key": "creator_id",
        "views": {"maker": {"table": "creators", "features": {"founded": "number"}}},
    },
}
TIMED = {"age": {"since": "published"}, "tenure": {"since": "joined"}, "hour": {"clock": "hour"}}


def spec(given: dict[str, Any] | None = None, timed: dict[str, Any] | None = None) -> Spec:
    shown = specs.impressions(
        **{"context": {"place": "number"}, "candidate_context": {"price": "number"}, **(given or {})}
    )
    whole = specs.document(nodes=NODES, impressions=shown, time_features=TIMED if timed is None else timed)
    return specs.spec_of(whole)


def test_they_are_features_of_the_impression() -> None:
    expected = [Feature(name, "number", 1) for name in ("place", "price", "age", "tenure")]
    assert impression_features(spec()) == [*expected, Feature("hour", "category", 1)]
    assert ages_since(spec()) == {"joined": "profile", "published": "content"}


def test_a_time_itself_is_nothing_that_the_model_reads() -> None:
    assert item_features(spec()) == []
    assert node_features(spec(), "member") == [Feature("country", "category", 1)]
    assert member_state_columns(spec()) == ["country", "tenure"]


def test_a_clock_does_not_drift() -> None:
    assert [feature.name for feature in drifting_features(spec())] == ["place", "price", "age", "tenure"]


@pytest.mark.parametrize(
    ("given", "timed", "message"),
    [
        ({}, {"age": {}}, "time_features.age: expected either `since` or `clock`; found neither"),
        ({}, {"age": {"since": "published", "clock": "hour"}}, "expected either `since` or `clock`; found both"),
        ({}, {"age": {"clock": "minute"}}, "time_features.age.clock: "),
        ({}, {"age": {"since": "country"}}, r"member or the item \(joined, published\); found 'country'"),
        ({}, {"age": {"since": "published"}}, "features.joined: expected a time feature since it.*; found none"),
        (
            {},
            {**TIMED, "price": {"clock": "hour"}},
            "time_features.price: .*also at impressions.candidate_context.price",
        ),
        ({}, {**TIMED, "position": {"clock": "hour"}}, "time_features.position: expected a name that requests"),
        (
            {},
            {**TIMED, "local_hour": {"clock": "hour"}},
            "time_features.local_hour: expected a name that our own tables",
        ),
        ({"candidate_context": {"place": "number"}}, TIMED, "impressions.candidate_context.place: .*context.place"),
        ({"candidate_context": {"click": "number"}}, TIMED, "candidate_context.click: expected a column known at"),
        ({"candidate_context": {"item": "number"}}, TIMED, "candidate_context.item: expected a column with no other"),
        ({"candidate_context": {"score": "number"}}, TIMED, "candidate_context.score: expected a name that requests"),
        ({"candidate_context": {"price": "vector[2]"}}, TIMED, "candidate_context.price"),
    ],
)
def test_what_is_wrong_is_named(given: dict[str, Any], timed: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        spec(given, timed)


def test_their_columns_must_be_in_the_tables() -> None:
    columns = {
        "members": ["member_id", "valid_from", "joined", "country"],
        "items": ["item_id", "published"],
        "creators": ["creator_id", "valid_from", "founded"],
        "impressions": ["impression_id", "time", "settled_time", "member", "item", "surface", "place", "click"],
    }
    with pytest.raises(
        SpecError, match=r"impressions\.candidate_context\.price: expected a column of table impressions"
    ):
        check_columns(spec(), columns)
    columns["impressions"].append("price")
    check_columns(spec(), columns)
    columns["members"].remove("joined")
    with pytest.raises(SpecError, match=r"features\.joined: expected a column of table members"):
        check_columns(spec(), columns)


def test_a_time_of_another_node_is_refused() -> None:
    """A request reads views of member and item only."""
    made = {"key": "creator_id", "views": {"maker": {"table": "creators", "features": {"born": "time"}}}}
    whole = specs.document(nodes={**NODES, "creator": made}, time_features=TIMED)
    with pytest.raises(SpecError, match=r"features\.born: expected a time feature since it"):
        specs.spec_of(whole)
    with pytest.raises(SpecError, match=r"age\.since: .*\(joined, published\); found 'born'"):
        specs.spec_of({**whole, "time_features": {**TIMED, "age": {"since": "born"}}})
