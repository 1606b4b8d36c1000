from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from feature_repo.definitions import build
from feature_repo.errors import DefinitionError
from tests.feature_repo.tiny import CONFIG, TEXT, tiny_spec


def _built(text: str = TEXT) -> dict[str, Any]:
    from feast import FeatureView

    objects = build(tiny_spec(text), Path("tables"), Path("pushed"))
    return {item.name: item for item in objects if isinstance(item, FeatureView)}


def test_every_view_counter_and_vector_is_defined_once() -> None:
    from feast import Entity

    objects = build(tiny_spec(), Path("tables"), Path("pushed"))
    names = [item.name for item in objects if not isinstance(item, Entity)]
    assert sorted(names) == [
        "company_profile", "item_vectors", "member_counts", "member_profile", "member_recent",
        "member_surface_counts", "member_vectors", "post_content", "post_counts",
    ]  # fmt: skip
    entities = {item.name: item.join_key for item in objects if isinstance(item, Entity)}
    assert entities == {"member": "member_id", "post": "post_id", "company": "company_id", "surface": "surface"}


def test_only_views_of_member_and_item_counters_and_vectors_are_online() -> None:
    assert [name for name, view in _built().items() if not view.online] == ["company_profile"]


def test_types_follow_the_spec() -> None:
    from feast.types import Array, Float32, Int64, String

    views = _built()
    types = {field.name: field.dtype for view in views.values() for field in view.features}
    assert types["seniority"] == Float32
    assert types["country"] == types["title"] == String
    assert types["embedding"] == types["member_tokens"] == Array(Float32)
    assert types["activity_times"] == Array(Int64)
    assert types["post_counts_exposures"] == Int64
    assert types["post_counts_click_rate"] == Float32
    assert {field.name: field.dtype for field in views["post_content"].entity_columns} == {"post_id": String}
    assert {field.name for field in views["member_surface_counts"].entity_columns} == {"member_id", "surface"}


def test_times_and_ttl_follow_the_spec() -> None:
    views = _built()
    assert views["member_recent"].ttl == timedelta(days=3)
    assert not views["member_profile"].ttl
    assert views["member_profile"].batch_source.created_timestamp_column == "written"
    assert views["member_vectors"].stream_source.name == "member_vectors"
    assert views["member_vectors"].batch_source.timestamp_field == "as_of"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("size: number", "size_y: number", "'size_y'"),
        ("size: number", "rn: number", "'rn'"),
        ("size: number", "post_counts_exposures: number", "found it twice"),
        ("device: category", "size: category", "found it twice"),
        ("company_profile:", "member_vectors:", "view 'member_vectors'"),
    ],
)
def test_names_that_collide_in_feast_are_errors(old: str, new: str, message: str) -> None:
    assert old in TEXT
    with pytest.raises(DefinitionError, match=message):
        build(tiny_spec(TEXT.replace(old, new)), Path("tables"), Path("pushed"))


def test_the_stock_command_imports_features_alone() -> None:
    from feast.repo_operations import get_repo_files

    assert [file.name for file in get_repo_files(CONFIG.parent)] == ["features.py"]
