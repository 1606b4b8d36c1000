from models.features import (
    compared_attributes,
    counted_attributes,
    counter_columns,
    counter_keys,
    impression_features,
    item_features,
    member_features,
    member_state_columns,
    node_features,
    online_views,
    training_columns,
)
from tests.factories import specs, tiny
from tests.factories.tiny import tiny_spec


def test_a_counters_columns_are_exposures_and_one_rate_a_task() -> None:
    spec = tiny_spec(tasks={"click": {"label": "click", "primary": True}, "open": {"label": "click"}})
    assert counter_columns(spec, "member_counts") == [
        "member_counts_exposures",
        "member_counts_click_rate",
        "member_counts_open_rate",
    ]


def test_a_counters_keys_are_the_columns_of_the_nodes() -> None:
    spec = tiny_spec()
    assert counter_keys(spec, "member_surface_counts") == ["member_id", "surface"]
    assert counter_keys(spec, "post_counts") == ["post_id"]


def test_impression_features_are_counters_then_context() -> None:
    spec = tiny_spec()
    names = [feature.name for feature in impression_features(spec)]
    assert names[-2:] == ["place", "device"]
    assert names[:2] == counter_columns(spec, "member_counts")
    assert len(names) == 3 * 2 + 2


def test_member_and_item_features_come_in_the_order_of_the_views() -> None:
    spec = tiny_spec()
    assert [feature.name for feature in member_features(spec)] == ["seniority", "country", "streak"]
    assert [feature.kind for feature in item_features(spec)] == ["category", "text", "vector"]
    assert [feature.name for feature in node_features(spec, "company")] == ["size"]


def test_member_state_is_what_the_member_did_and_not_how_often_it_was_requested() -> None:
    spec = tiny_spec()
    state = member_state_columns(spec)
    assert state == ["member_counts_click_rate", "member_surface_counts_click_rate", "seniority", "country", "streak"]
    assert set(state) < {feature.name for feature in training_columns(spec)}


def test_online_views_leave_out_other_nodes() -> None:
    assert online_views(tiny_spec()) == [
        "member_profile",
        "member_recent",
        "post_content",
        "member_counts",
        "member_surface_counts",
        "post_counts",
        "overall",
    ]


def test_a_spec_without_counters_and_context_has_no_impression_features() -> None:
    spec = tiny_spec(counters={}, impressions=specs.impressions(tiny.MEMBER, tiny.POST))
    assert impression_features(spec) == []


def test_last_exposures_are_known_and_their_outcomes_are_the_members_state() -> None:
    seen = {"keys": ["member"], "last_exposures": 1, "compare": ["item", "topic"]}
    spec = tiny_spec(counters={"seen": seen, "by_topic": {"keys": ["topic"]}})
    outcome = "seen_exposure1_outcome_click"
    pending = "seen_exposure1_pending"
    known = ["gap", "same_item", "same_topic"]
    columns = ["seen_exposures", *(f"seen_exposure1_{name}" for name in known), "seen_click_rate", pending, outcome]
    assert counter_columns(spec, "seen") == columns
    assert member_state_columns(spec)[:3] == ["seen_click_rate", pending, outcome]
    assert compared_attributes(spec) == counted_attributes(spec) == {"topic": "post_content"}
    assert compared_attributes(tiny_spec()) == {}
