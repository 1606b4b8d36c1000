"""Views and plans of event tables, of a product whose tables have more than one edge; plans as JSON."""

import json
from collections.abc import Mapping
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feature_repo.definitions import build
from feature_repo.stream.plan import read_plan
from feature_repo.stream.validator import validator_of
from feature_repo.views.pushed import RECENT
from tests.factories import specs
from tests.feature_repo.stream import product

SHARED = specs.edge("likes", ("member", "friend_id"), product.POST, time="shared_time")


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The likes are shared too, by a friend at another time; the post comes before the member."""
    folder = tmp_path_factory.mktemp("tables")
    product.write_tables(folder, [], [])
    likes = pq.read_table(folder / "likes.parquet")
    likes = likes.append_column("friend_id", pa.array([], pa.int64())).append_column("shared_time", likes["time"])
    pq.write_table(likes, folder / "likes.parquet")
    nodes, edges = product.DOCUMENT["nodes"], product.DOCUMENT["edges"]
    document = {**product.DOCUMENT, "nodes": _turned(nodes), "edges": {**edges, "shared": SHARED}}
    return {item.name: item for item in build(specs.spec_of(document), str(folder), str(folder))}


def test_the_first_edge_of_a_table_names_its_member_and_time(views: dict[str, Any]) -> None:
    plan = read_plan(product.plan_text(views, "likes"))
    assert (plan.time, plan.member_key, plan.member_column) == ("time", "member_id", "member_id")
    assert plan.required == ("member_id", "post_id", "time", "friend_id", "shared_time")
    assert plan.known == ("member_id", "post_id", "time", "friend_id", "shared_time")
    assert plan.edges == ("liked", "clicked", "shared")
    assert [(edge.place, edge.member, edge.time) for edge in plan.activities] == [
        (0, "member_id", "time"),
        (2, "friend_id", "shared_time"),
    ]
    assert (plan.impressions, list(plan.views)) == (None, [RECENT])
    impressions = read_plan(product.plan_text(views, "impressions"))
    assert (impressions.time, impressions.member_column) == ("time", "member")
    assert impressions.required == ("member", "impression_id", "time", "post_id", "surface")


def test_events_are_of_the_member_and_only_the_list_is_online(views: dict[str, Any]) -> None:
    events = {name: views[name] for name in ("events_impressions", "events_likes", RECENT)}
    assert {name: view.online for name, view in events.items()} == {
        **{"events_impressions": False, "events_likes": False},
        RECENT: True,
    }
    assert {tuple(view.entities) for view in events.values()} == {("member",)}
    mapped = {name: view.batch_source.field_mapping for name, view in events.items()}
    assert mapped == {"events_impressions": {"member": "member_id"}, "events_likes": {}, RECENT: {}}
    files = {Path(view.batch_source.path).name for view in events.values()}
    assert files == {"impressions.parquet", "likes.parquet", f"{RECENT}.parquet"}


def _turned(values: Mapping[str, Any]) -> dict[str, Any]:
    return dict(reversed(list(values.items())))


@pytest.mark.parametrize("table", ["impressions", "likes"])
def test_a_plan_comes_back_from_its_text(views: dict[str, Any], table: str) -> None:
    text = product.plan_text(views, table)
    plan = read_plan(text)
    assert plan.to_json() == text
    turned = replace(plan, columns=_turned(plan.columns), views=_turned(plan.views))
    assert turned.to_json() == text
    earlier = {name: value for name, value in json.loads(text).items() if name not in ("known", "spec")}
    assert read_plan(json.dumps(earlier)) == replace(plan, known=(), spec="")


def test_a_plan_does_not_change(views: dict[str, Any]) -> None:
    """All readers of one text share it."""
    plan = read_plan(product.plan_text(views, "impressions"))
    assert plan.impressions is not None
    with pytest.raises(FrozenInstanceError):
        plan.last = 1  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        plan.impressions.key = ""  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        plan.views[RECENT].ttl = 1  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        validator_of(plan).table = ""  # type: ignore[misc]
