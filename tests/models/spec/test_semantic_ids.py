"""Blocks of semantic IDs: each makes a view, and says what it needs."""

from typing import Any

import pytest

from models.features import node_features, semantic_codes
from models.spec import SpecError, parse_spec
from models.spec.semantic_ids import with_views
from tests.factories import specs

POSTS = {
    "key": "post_id",
    "views": {"content": {"table": "posts", "features": {"topic": "category", "text": "vector[4]"}}},
}
NODES = {"member": {"key": "member_id"}, "item": {"key": "item_id"}, "post": POSTS}
EDGES = {
    "clicked": specs.edge("impressions", specs.MEMBER, specs.ITEM),
    "read": specs.edge("reads", specs.MEMBER, ("post", "post_id")),
    "written": specs.edge("posts", ("post", "post_id"), specs.MEMBER, kind="intrinsic"),
}


def document(**block: Any) -> dict[str, Any]:
    given = {"node": "member", "events": ["read"], "vector": "text", "levels": 2, **block}
    return specs.document(nodes=NODES, edges=EDGES, semantic_ids={"tastes": given})


def test_a_block_is_a_view_that_survives_json() -> None:
    spec = specs.spec_of(document())
    view = spec.nodes["member"].views["tastes"]
    assert (view.table, view.time, view.behavior) == ("semantic_tastes", "valid_from", True)
    assert view.features == {
        "tastes_code_1": "category", "tastes_code_2": "category", "tastes_levels": "vector[4]",
    }  # fmt: skip
    assert parse_spec(spec.model_dump_json(by_alias=True)) == spec
    assert semantic_codes(spec, "member") == (("tastes_code_1", "tastes_code_2"),)
    assert semantic_codes(spec, "post") == ()


@pytest.mark.parametrize(("kind", "features"), [("rq", ["tastes_code_1", "tastes_code_2"]), ("fsq", ["tastes_levels"])])
def test_each_branch_has_its_features(kind: str, features: list[str]) -> None:
    spec = specs.spec_of(document(kind=kind))
    assert list(spec.nodes["member"].views["tastes"].features) == features
    assert semantic_codes(spec, "member") == ((tuple(features),) if kind == "rq" else ())


def test_a_domain_without_the_events_hides_the_codes() -> None:
    edges = {**EDGES, "read": {**EDGES["read"], "domain": "other"}}
    spec = specs.spec_of({**document(), "edges": edges, "domains": ["feed"]})
    assert node_features(spec, "member") == []
    assert semantic_codes(spec, "member") == ()


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"node": "memebr"}, r"semantic_ids\.tastes\.node: expected a declared node type .*found 'memebr'"),
        ({"events": ["written"]}, r"events\.0: expected an edge from 'member' \(clicked, read\); found 'written'"),
        ({"events": ["read", "clicked"]}, r"events: expected edges to one node type; found item, post"),
        ({"vector": "topic"}, r"vector: expected a vector feature of 'post' \(text\); found 'topic'"),
        ({"events": ["clicked"]}, r"vector: expected a vector feature of 'item' \(it has none\)"),
        ({"events": []}, r"semantic_ids\.tastes\.events"),
        ({"codes": 5000}, r"semantic_ids\.tastes\.codes"),
        ({"delay": "2d"}, r"semantic_ids\.tastes\.delay"),
        ({"levels": "3"}, r"semantic_ids\.tastes\.levels"),
    ],
)
def test_what_a_block_needs_is_named(block: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        specs.spec_of(document(**block))


def test_a_view_of_that_name_is_refused() -> None:
    nodes = {**NODES, "member": {"key": "member_id", "views": {"tastes": {"table": "x", "features": {"a": "number"}}}}}
    with pytest.raises(SpecError, match=r"semantic_ids\.tastes: expected a name that no view of 'member' has"):
        specs.spec_of({**document(), "nodes": nodes})


@pytest.mark.parametrize("given", [None, [], {"semantic_ids": []}, {"semantic_ids": {"a": None}, "nodes": 3}])
def test_a_document_that_is_no_spec_is_left_to_its_schema(given: Any) -> None:
    assert with_views(given) == given
