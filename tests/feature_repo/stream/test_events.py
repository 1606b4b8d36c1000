"""Events of one row: which there are, of whom, and what they change."""

from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

from feature_repo.stream.errors import StreamError
from feature_repo.stream.events import by_name, events_of_row
from feature_repo.stream.plan import EventPlan, read_plan
from models.counters.fold import Settled, Shown, expected_column
from models.counters.hashing import hash_of
from models.time_units import SECOND
from tests.feature_repo.stream import product

SHOWN, SETTLED = product.START + 10 * SECOND, product.START + 20 * SECOND


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> dict[str, EventPlan]:
    views = product.views_of(product.spec_of(), tmp_path_factory.mktemp("tables"))
    return {table: read_plan(product.plan_text(views, table)) for table in ("impressions", "likes")}


def _row(**others: Any) -> dict[str, Any]:
    return {**product.impression(1, 4, "p1", 10, 20, click=1, percent=30), "topic": "sport", **others}


def test_an_impression_is_shown_and_settles_and_may_be_an_activity(plans: dict[str, EventPlan]) -> None:
    key = 2**53 + 1
    expected = {expected_column("click"): 400_000, expected_column("share"): None}
    events = list(events_of_row(plans["impressions"], _row(**expected)))
    assert [event.member for event in events] == [4, 4, 4]
    entries = [(SHOWN, -2, "", key), (SETTLED, -1, "", key), (SETTLED, 1, "p1", key)]
    assert [event.entry for event in events] == entries
    shown, settled, activity = (
        {(change.view, change.keys): change.event for change in event.changes} for event in events
    )
    own = hash_of(key)
    assert shown == {
        ("member_counts", (4,)): Shown(SHOWN, (own, hash_of("feed"), hash_of("sport"))),
        ("member_surface_counts", (4, "feed")): Shown(SHOWN),
        ("post_counts", ("p1",)): Shown(SHOWN, (own,)),
        ("topic_counts", ("sport",)): Shown(SHOWN, (own, hash_of("p1"))),
    }
    both = Settled(SETTLED, key, (1, 30))
    explained = replace(both, residuals=(600_000, None))
    assert settled == {
        ("member_counts", (4,)): explained,
        ("member_surface_counts", (4, "feed")): explained,
        ("topic_counts", ("sport",)): Settled(SETTLED, key, (30,)),
        ("overall", ()): both,
    }
    assert activity == {}
    assert len(list(events_of_row(plans["impressions"], _row(click=0)))) == 2
    assert len(list(events_of_row(plans["impressions"], product.shown_only(_row())))) == 1


def test_a_counter_without_its_key_or_outside_its_filter_is_left_out(plans: dict[str, EventPlan]) -> None:
    _, settled, _ = events_of_row(plans["impressions"], _row(topic=None, device="web"))
    assert [change.view for change in settled.changes] == ["member_counts", "overall"]
    _, settled, _ = events_of_row(plans["impressions"], _row(surface=None))
    assert [change.view for change in settled.changes] == ["member_counts", "topic_counts", "overall"]


def test_an_outcome_out_of_range_is_named(plans: dict[str, EventPlan]) -> None:
    with pytest.raises(
        StreamError, match=r"^impression 9007199254740993: percent: expected a whole number from 0 to 100; found 101$"
    ):
        list(events_of_row(plans["impressions"], _row(percent=101)))


def test_a_null_or_a_filter_means_no_activity(plans: dict[str, EventPlan]) -> None:
    row = product.like(4, "p1", 10)
    (event,) = events_of_row(plans["likes"], row)
    assert (event.member, event.entry, event.changes) == (4, (SHOWN, 0, "p1", ""), [])
    for column in row:
        assert list(events_of_row(plans["likes"], {**row, column: None})) == []
    assert list(events_of_row(plans["likes"], {})) == []
    edges = tuple(replace(edge, filter={"post_id": ["p2"]}) for edge in plans["likes"].activities)
    narrowed = replace(plans["likes"], activities=edges)
    assert list(events_of_row(narrowed, row)) == []
    assert len(list(events_of_row(narrowed, {**row, "post_id": "p2"}))) == 1


def test_keys_are_ordered_by_name_and_not_by_value() -> None:
    assert by_name(("b", "a"), (1, 2)) == (2, 1)
    assert by_name((), ()) == ()
    with pytest.raises(ValueError, match="zip"):
        by_name(("a",), (1, 2))


def test_events_do_not_change(plans: dict[str, EventPlan]) -> None:
    event = next(events_of_row(plans["impressions"], _row()))
    with pytest.raises(FrozenInstanceError):
        event.member = 5  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        event.changes[0].view = "other"  # type: ignore[misc]
