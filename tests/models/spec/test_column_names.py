"""Column names of a spec share flat tables with each other and with ours: a name that is taken is an error."""

import copy
from collections.abc import Callable

import pytest
import yaml

from models.columns import REQUEST_TENSORS, SERVED_COLUMNS, TABLE_COLUMNS
from models.spec import SpecError, parse_spec
from tests.models.spec.small import GOOD, changed, check_mistake, put

PROFILE = "nodes.member.views.profile.features"
RESERVED = sorted(
    SERVED_COLUMNS.union(REQUEST_TENSORS)
    | {"probability_click", "probability_", "Position", "SCORE", "Probability_Click"}
)


@pytest.mark.parametrize("name", RESERVED)
def test_a_column_of_the_served_log_or_of_a_request_is_refused(name: str) -> None:
    message = "a name that requests and the served log do not use (adjustments, as_of, capped"
    renamed = {"time": "shown", "surface": "where"}  # else they are the impressions' own

    def own(key: str) -> Callable[[dict], object]:
        def change(document: dict) -> None:
            document["impressions"] |= renamed
            put(f"{key}.{name}", "number")(document)

        return change

    for key in ("impressions.context", PROFILE):
        check_mistake(own(key), f"{key}.{name}", message, repr(name))


def test_every_column_of_the_log_is_reserved() -> None:
    from models.served import COLUMNS

    assert set(COLUMNS) <= SERVED_COLUMNS


@pytest.mark.parametrize("name", sorted([*TABLE_COLUMNS, "Window", "FROZEN_TIME"]))
def test_a_column_of_our_own_tables_is_refused(name: str) -> None:
    for key in ("impressions.context", PROFILE):
        if name != "valid_from" or key != PROFILE:  # there it is the view's own time
            check_mistake(put(f"{key}.{name}", "number"), f"{key}.{name}", "a name that our own tables do not", name)
    for key in ("impressions.time", "impressions.surface", "impressions.key", "nodes.post.key"):
        check_mistake(put(key, name), key, "a name that our own tables do not use", repr(name))
    check_mistake(put("impressions.outcomes", ["clicked", name]), "impressions.outcomes.1", "our own tables", name)
    check_mistake(put("tasks.click.filter", {name: [1]}), f"tasks.click.filter.{name}", "our own tables", name)


def two_tasks(*names: str) -> Callable[[dict], object]:
    def change(document: dict) -> None:
        document["tasks"] = {name: {"label": "clicked", "primary": name == names[0]} for name in names}

    return change


TWICE = [
    (two_tasks("click", "Click"), "tasks.click", "no other task has, upper or lower case alike", "tasks.Click"),
    (
        put("impressions.context.Hour", "number"),
        "impressions.context.hour",
        "that no other key uses",
        "impressions.context.Hour",
    ),
    (
        put("impressions.context.CLICKED", "number"),
        "impressions.context.CLICKED",
        "that no other key uses",
        "outcomes.0",
    ),
    (put("impressions.context.surface_", "number"), None, "", ""),
    (
        put("impressions.outcomes", ["clicked", "Clicked"]),
        "impressions.outcomes.1",
        "that no other key uses",
        "outcomes.0",
    ),
    (
        put("impressions.outcomes", ["clicked", "settled_Time"]),
        "outcomes.1",
        "that no other key uses",
        "impressions.settled",
    ),
    (
        put("impressions.outcomes", ["clicked", "settled_time"]),
        "outcomes.1",
        "that no other key uses",
        "impressions.settled",
    ),
    (put("impressions.key", "Time"), "impressions.time", "that no other key uses", "impressions.key"),
    (
        put("impressions.member.column", "Post_id"),
        "impressions.item.column",
        "that no other key uses",
        "impressions.member.column",
    ),
    (put("impressions.context.age", "number"), f"{PROFILE}.age", "that no other key uses", "impressions.context.age"),
    (put("impressions.context.AGE", "number"), f"{PROFILE}.age", "that no other key uses", "impressions.context.AGE"),
    (put("impressions.served", "Hour"), "impressions.context.hour", "that no other key uses", "impressions.served"),
    (put("impressions.served", "age"), f"{PROFILE}.age", "that no other key uses", "impressions.served"),
    (put("impressions.served", "clicked"), "impressions.outcomes.0", "that no other key uses", "impressions.served"),
    (put(f"{PROFILE}.Clicked", "number"), f"{PROFILE}.Clicked", "that no other key uses", "impressions.outcomes.0"),
    (
        put(f"{PROFILE}.impression_id", "number"),
        f"{PROFILE}.impression_id",
        "that no other key uses",
        "impressions.key",
    ),
    (
        put(f"{PROFILE}.Member_Id", "number"),
        f"{PROFILE}.Member_Id",
        "that no other key uses",
        "impressions.member.column",
    ),
    (
        put(f"{PROFILE}.by_post_exposures", "number"),
        "counters.by_post",
        "that no other key uses",
        "'by_post_exposures', also at",
    ),
    (
        put(f"{PROFILE}.By_Post_Shown", "number"),
        "counters.by_post",
        "that no other key uses",
        "'by_post_shown', also at",
    ),
    (
        put("counters.probability", {"keys": ["item"]}),
        "counters.probability",
        "requests and the served",
        "probability_",
    ),
    (
        put("tasks.click.filter", {"Hour": [1]}),
        "tasks.click.filter.Hour",
        "that no other key uses",
        "impressions.context.hour",
    ),
    (put("tasks.click.filter", {"age": [1]}), "tasks.click.filter.age", "that no other key uses", f"{PROFILE}.age"),
    (
        put("nodes.author", {"key": "POST_ID"}),
        "nodes.post.key",
        "a key column that no other key uses",
        "nodes.author.key",
    ),
    (put("nodes.Surface", {"key": "place"}), "nodes.Surface", "other than the surface's", "'Surface'"),
]


@pytest.mark.parametrize(("change", "key", "expected", "found"), TWICE)
def test_a_name_that_another_column_has(
    change: Callable[[dict], object], key: str | None, expected: str, found: str
) -> None:
    if key is None:
        parse_spec(changed(change))
    else:
        check_mistake(change, key, expected, found)


def test_an_id_is_no_attribute_of_an_edge() -> None:
    def change(document: dict) -> None:
        put("impressions.served", "answer")(document)
        put("edges.clicked.attributes", {"answer": "category"})(document)

    check_mistake(change, "edges.clicked.attributes.answer", "another column than impressions.served", "'answer'")


BAD_NAMES = [
    "",
    "a.b",
    'a"b',
    "a'b",
    "a\nb",
    "a b",
    "1a",
    "_a",
    "a" * 62,
    "а",
    "clickеd",
    "é",
    "a\u200b",
    "a;--",
    "{{a}}",
]


@pytest.mark.parametrize("name", BAD_NAMES, ids=[repr(name)[:20] for name in BAD_NAMES])
def test_a_name_that_is_unsafe_in_an_engine(name: str) -> None:
    for key in ("impressions.time", "impressions.key", "nodes.post.key", "edges.clicked.time", "impressions.table"):
        check_mistake(
            put(key, name), key, "a name of at most 61 letters, digits and _, a letter first", repr(name)[:50]
        )
    document = copy.deepcopy(GOOD)
    document["tasks"] = {name: {"label": "clicked", "primary": True}}
    with pytest.raises(SpecError, match="a name of at most 61 letters"):
        parse_spec(yaml.safe_dump(document))
    check_mistake(put("impressions.outcomes", ["clicked", name]), "impressions.outcomes.1", "a name", repr(name)[:50])


def test_a_filter_may_use_columns_of_the_impressions() -> None:
    spec = parse_spec(changed(put("tasks.click.filter", {"surface": ["feed"], "hour": [1], "seconds": [0]})))
    assert spec.impressions.settled == "settled_time"
    parse_spec(changed(put("impressions.context", {})))


@pytest.mark.parametrize("column", ["time", "settled_time", "surface", "member_id", "post_id"])
def test_ids_of_served_impressions_have_a_column_of_their_own(column: str) -> None:
    check_mistake(
        put("impressions.served", column), "impressions.served", "a column name that no other key uses", column
    )
    assert parse_spec(changed(put("impressions.served", "impression_id"))).impressions.served == "impression_id"
