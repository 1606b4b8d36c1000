from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from feature_repo.definitions import build
from feature_repo.views.errors import DefinitionError
from tests.feature_repo import tiny
from tests.feature_repo.tiny import CONFIG, tiny_spec

BY_TOPIC = {"keys": ["member", "topic"], "window": "1h", "last": 2, "recency": True}
COUNTED = {**tiny.DOCUMENT["counters"], "by_topic": BY_TOPIC}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The events' types are read from their tables."""
    return tiny.tables(tiny_spec(counters=COUNTED), tmp_path_factory.mktemp("tables"))


def _built(tables: Path, **parts: Any) -> dict[str, Any]:
    from feast import FeatureView

    objects = build(tiny_spec(**parts), str(tables), "/pushed")
    return {item.name: item for item in objects if isinstance(item, FeatureView)}


def test_every_view_counter_and_vector_is_defined_once(tables: Path) -> None:
    from feast import Entity

    objects = build(tiny_spec(), str(tables), "/pushed")
    names = [item.name for item in objects if not isinstance(item, Entity)]
    assert sorted(names) == [
        "company_profile", "events_impressions", "events_likes", "item_vectors_amber", "item_vectors_blue",
        "item_vectors_green", "member_counts", "member_profile", "member_recent", "member_surface_counts",
        "member_vectors_amber", "member_vectors_blue", "member_vectors_green", "overall", "post_content",
        "post_counts", "recent_activities",
    ]  # fmt: skip
    entities = {item.name: item.join_key for item in objects if isinstance(item, Entity)}
    assert entities == {"member": "member_id", "post": "post_id", "company": "company_id", "surface": "surface"}


def test_only_views_of_member_and_item_counters_and_vectors_are_online(tables: Path) -> None:
    assert [name for name, view in _built(tables).items() if not view.online] == [
        "company_profile",
        "events_impressions",
        "events_likes",
    ]


def test_types_follow_the_spec(tables: Path) -> None:
    from feast.types import Array, Float32, Int64, String

    views = _built(tables)
    types = {field.name: field.dtype for view in views.values() for field in view.features}
    assert types["seniority"] == Float32
    assert types["country"] == types["title"] == String
    assert types["embedding"] == types["member_tokens"] == Array(Float32)
    assert types["activity_times"] == Array(Int64)
    assert types["post_counts_shown"] == types["overall_click_sum"] == Int64
    assert {field.name: field.dtype for field in views["post_content"].entity_columns} == {"post_id": String}
    assert {field.name for field in views["member_surface_counts"].entity_columns} == {"member_id", "surface"}
    assert views["overall"].entity_columns == []


def test_lists_of_state_and_keys_that_are_features_of_the_item(tables: Path) -> None:
    from feast.types import Array, Int64, String

    (view,) = (built for name, built in _built(tables, counters=COUNTED).items() if name == "by_topic")
    assert {field.name: field.dtype for field in view.entity_columns} == {"member_id": Int64, "topic": String}
    types = {field.name: field.dtype for field in view.features}
    assert types["by_topic_shown_last"] == Int64
    assert types["by_topic_click_last"] == types["by_topic_panes"] == types["by_topic_panes_settled"] == Array(Int64)
    assert view.entities == ["member", "post_topic"]


def test_times_and_ttl_follow_the_spec(tables: Path) -> None:
    views = _built(tables)
    assert views["member_recent"].ttl == timedelta(days=3)
    assert not views["member_profile"].ttl
    assert views["member_profile"].batch_source.created_timestamp_column == "written"
    assert views["member_vectors_blue"].stream_source.name == "member_vectors_blue"
    assert views["member_vectors_green"].batch_source.timestamp_field == "as_of"


@pytest.mark.parametrize(
    ("view", "feature", "message"),
    [
        ("company_profile", "size_y", "'size_y'"),
        ("company_profile", "rn", "'rn'"),
        ("company_profile", "Event_Timestamp", "'Event_Timestamp'"),
        ("company_profile", "Size_Y", "'Size_Y'"),
        ("company_profile", "member_tokens", "'member_tokens'.*no column of pushed vectors"),
        ("company_profile", "recent_Keys", "'recent_Keys'.*no column of pushed vectors"),
        ("member_vectors_blue", "size", "view 'member_vectors_blue'"),
        ("Item_Vectors_Green", "size", "view 'Item_Vectors_Green'"),
        ("recent_activities", "size", "view 'recent_activities'"),
        ("Events_impressions", "size", "view 'Events_impressions'"),
    ],
)
def test_names_that_collide_in_feast_are_errors(view: str, feature: str, message: str) -> None:
    company = {"key": "company_id", "views": {view: {"table": "companies", "features": {feature: "number"}}}}
    spec = tiny_spec(nodes={**tiny.DOCUMENT["nodes"], "company": company})
    with pytest.raises(DefinitionError, match=message):
        build(spec, "/tables", "/pushed")


def test_the_stock_command_imports_features_alone() -> None:
    from feast.repo_operations import get_repo_files

    assert [file.name for file in get_repo_files(CONFIG.parent)] == ["features.py"]
