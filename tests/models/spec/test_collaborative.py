"""The block ``collaborative``: what is refused, and with which words."""

from typing import Any

import pytest

from models.features import (
    collaborative_columns,
    collaborative_views,
    impression_features,
    member_state_columns,
    online_views,
    training_columns,
)
from models.spec import SpecError
from tests.factories import specs

EDGES = {
    "clicked": specs.edge("impressions", specs.MEMBER, specs.ITEM, filter={"click": [1]}),
    "skipped": specs.edge("impressions", specs.MEMBER, specs.ITEM, filter={"click": [0]}),
    "backward": specs.edge("impressions", specs.ITEM, specs.MEMBER),
}
BLOCK = {"events": ["clicked", "skipped"], "outcome": ["clicked"]}


def document(block: dict[str, Any] = BLOCK, **parts: Any) -> dict[str, Any]:
    return specs.document(edges=EDGES, collaborative={"watched": block}, **parts)


def test_columns_join_the_impressions_features_and_the_frozen_state() -> None:
    spec = specs.spec_of(document({**BLOCK, "kinds": ["ease", "base"]}))
    columns = ["watched_ease", "watched_base", "watched_member_effect", "watched_item_effect"]
    assert collaborative_columns(spec) == columns
    assert collaborative_views(spec) == ["watched_item", "watched_member"]
    assert [feature.name for feature in impression_features(spec)] == columns
    assert [feature.name for feature in training_columns(spec)] == columns
    assert member_state_columns(spec) == columns
    assert online_views(spec) == ["watched_item", "watched_member"]
    assert spec.collaborative["watched"].delay_time == 3 * 3_600_000_000


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"outcome": []}, "watched.outcome"),
        ({"outcome": ["clicked", "skipped"]}, "outcome: expected some of events, not all"),
        ({"outcome": ["liked"]}, r"outcome: expected some of events \(clicked, skipped\); found 'liked'"),
        ({"events": ["clicked"]}, "watched.events"),
        ({"events": ["clicked", "backward"]}, r"events.1: expected an edge from 'member' to 'item' .*'backward' from"),
        ({"events": ["clicked", "nothing"]}, "events.1: expected an edge from 'member' to 'item'"),
        ({"events": ["clicked", "clicked"]}, "every value once"),
        ({"kinds": ["base", "base"]}, "every value once"),
        ({"kinds": []}, "watched.kinds"),
        ({"kinds": ["item_user"]}, "watched.kinds"),
        ({"delay": "25h"}, "watched.delay"),
        ({"delay": "2d"}, "watched.delay"),
        ({"refresh": "hourly"}, "watched.refresh"),
        ({"neighbors": 0}, "watched.neighbors"),
        ({"neighbors": 201}, "watched.neighbors"),
        ({"history": 1001}, "watched.history"),
        ({"rank": 129}, "watched.rank"),
    ],
)
def test_a_block_is_checked(parts: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        specs.spec_of(document({**BLOCK, **parts}))


@pytest.mark.parametrize("delay", ["0s", "90m", "24h", "1d"])
def test_delays(delay: str) -> None:
    specs.spec_of(document({**BLOCK, "delay": delay}))


def test_names_are_those_of_nothing_else() -> None:
    with pytest.raises(SpecError, match=r"collaborative\.watched: expected a name of which no other view"):
        specs.spec_of(document(counters={"watched_item": {"keys": ["item"]}}))
    shown = specs.impressions(context={"watched_base": "number"})
    with pytest.raises(SpecError, match="watched_base"):
        specs.spec_of(document(impressions=shown))


def test_the_limit_of_age_needs_a_block() -> None:
    serving = {"max_age": {"collaborative": "51h"}}
    specs.spec_of(document(serving=serving))
    with pytest.raises(SpecError, match=r"serving\.max_age\.collaborative: expected a collaborative block"):
        specs.spec_of(specs.document(serving=serving))
