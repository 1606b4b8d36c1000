"""Tables and columns that a spec names and the adapter does not write."""

from collections.abc import Callable

import pytest
import yaml

from models.spec import SpecError, check_columns, parse_spec
from tests.models.spec.small import COLUMNS, GOOD, changed, put

UNKNOWN = [
    (put("edges.clicked.table", "events"), "edges.clicked.table", "members", "'events'"),
    (put("edges.clicked.source.column", "user"), "edges.clicked.source.column", "member_id", "'user'"),
    (put("edges.clicked.target.column", "thing"), "edges.clicked.target.column", "post_id", "'thing'"),
    (put("edges.clicked.filter", {"cliked": [1]}), "edges.clicked.filter.cliked", "clicked", "'cliked'"),
    (put("edges.clicked.weight", "dwell"), "edges.clicked.weight", "seconds", "'dwell'"),
    (put("edges.clicked.attributes", {"how": "number"}), "edges.clicked.attributes.how", "seconds", "'how'"),
    (put("nodes.member.views.profile.table", "users"), "views.profile.table", "members", "'users'"),
    (put("nodes.member.views.profile.features.height", "number"), "features.height", "age", "'height'"),
    (put("nodes.member.views.profile.time", "since"), "views.profile.time", "valid_from", "'since'"),
    (put("nodes.member.views.profile.created", "written"), "views.profile.created", "valid_from", "'written'"),
    (put("nodes.member.key", "id"), "nodes.member.key", "member_id", "'id'"),
    (put("impressions.settled", "known_time"), "edges.clicked.time", "known_time", "settled_time"),
    (put("impressions.key", "id"), "impressions.key", "impression_id", "'id'"),
    (put("impressions.served", "answer"), "impressions.served", "impression_id", "'answer'"),
    (put("impressions.surface", "place"), "impressions.surface", "surface", "'place'"),
    (put("impressions.item.column", "thing"), "impressions.item.column", "post_id", "'thing'"),
    (put("impressions.context.device", "category"), "impressions.context.device", "hour", "'device'"),
    (put("impressions.outcomes", ["clicked", "liked"]), "impressions.outcomes.liked", "clicked", "'liked'"),
    (put("tasks.click.filter", {"place": [1]}), "tasks.click.filter.place", "surface", "'place'"),
    (put("counters.by_post.filter", {"place": [1]}), "counters.by_post.filter.place", "surface", "'place'"),
    (put("oracle", {"table": "truth", "probability": "p"}), "oracle.table", "impressions", "'truth'"),
    (put("oracle", {"table": "impressions", "probability": "p"}), "oracle.probability", "hour", "'p'"),
]


@pytest.mark.parametrize(("change", "key", "expected", "found"), UNKNOWN, ids=[case[1] for case in UNKNOWN])
def test_an_unknown_table_or_column(change: Callable[[dict], object], key: str, expected: str, found: str) -> None:
    with pytest.raises(SpecError) as caught:
        check_columns(parse_spec(changed(change), "small.yaml"), COLUMNS, "small.yaml")
    assert caught.value.file == "small.yaml"
    assert key in caught.value.key
    assert expected in caught.value.expected
    assert found in caught.value.found


def test_a_spec_whose_columns_are_all_there() -> None:
    check_columns(parse_spec(yaml.safe_dump(GOOD)), COLUMNS)


def test_no_tables_at_all() -> None:
    with pytest.raises(SpecError, match=r"a table of the adapter \(\); found 'members'"):
        check_columns(parse_spec(yaml.safe_dump(GOOD)), {})
