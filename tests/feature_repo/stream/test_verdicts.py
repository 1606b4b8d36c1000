"""What becomes of pushed rows: unused, late by the member or by a counter, and which features an item has by then."""

from dataclasses import replace
from typing import Any

import pytest

from feature_repo.packed.keys import row_key
from feature_repo.packed.pack import FLAG_BATCH
from feature_repo.stream.apply import apply_events
from feature_repo.stream.event_log import EventLog, log_key
from feature_repo.stream.outcome import Outcome
from feature_repo.stream.packed_rows import Row, layout, read_rows, write_rows
from feature_repo.stream.plan import read_plan
from feature_repo.views.pushed import RECENT
from models.counters.fold import initial
from models.spec.counter_plans import counter_plan
from models.time_units import SECOND
from tests.feature_repo.stream import product
from tests.feature_repo.stream.test_apply import PROJECT, Product


@pytest.fixture(scope="module")
def tiny_product(tmp_path_factory: pytest.TempPathFactory) -> Product:
    return Product(tmp_path_factory.mktemp("product"))


def _shown(number: int, member: int, post: str, **others: Any) -> dict[str, Any]:
    return {**product.impression(number, member, post, 10, None), "member_id": member, **others}


def test_a_row_that_no_edge_keeps_is_unused(tiny_product: Product, caplog: pytest.LogCaptureFixture) -> None:
    plan, rows = read_plan(tiny_product.plans["likes"]), tiny_product.rows()
    edges = tuple(replace(edge, filter={"post_id": ["p1"]}) for edge in plan.activities)
    text = replace(plan, activities=edges).to_json()
    likes = [product.like(1, post, 5) for post in ("p2", "p1", "p1")]
    assert apply_events(rows, PROJECT, text, likes[:1]) == Outcome(rows=1, unused=1)
    assert apply_events(rows, PROJECT, text, likes) == Outcome(rows=3, new=1, duplicates=1, unused=1)
    assert apply_events(rows, PROJECT, text, []) == Outcome()
    assert caplog.messages == []


def test_what_the_counters_batch_row_covers_is_late_and_other_keys_count(tiny_product: Product) -> None:
    view, rows = "member_counts", tiny_product.rows()
    stored = layout(view, read_plan(tiny_product.plans["impressions"]).views[view])
    batch = Row(product.START + 10 * SECOND, FLAG_BATCH, {**initial(counter_plan(tiny_product.spec, view))})
    keys = [row_key(PROJECT, view, (member,)) for member in (1, 2)]
    rows.write_newest([(keys[0], write_rows(stored, [batch], FLAG_BATCH)[0])])
    pushed = [_shown(1, 1, "p1"), _shown(2, 2, "p1")]
    found = apply_events(rows, PROJECT, tiny_product.plans["impressions"], pushed)
    assert found == Outcome(rows=2, new=1, late=1)
    first, second = read_rows(stored, rows.read(keys))
    assert first == batch
    assert second is not None
    assert (second.time, second.flags, second.values["member_counts_shown"]) == (batch.time, 0, 1)


def test_what_the_member_has_forgotten_is_late_and_writes_no_row(
    tiny_product: Product, caplog: pytest.LogCaptureFixture
) -> None:
    rows, plan = tiny_product.rows(), tiny_product.plans["impressions"]
    log = EventLog(dropped=product.START + 10 * SECOND).write()
    rows.change([log_key(row_key(PROJECT, RECENT, (1,)))], lambda _: [log])
    assert apply_events(rows, PROJECT, plan, [_shown(1, 1, "p2")]) == Outcome(rows=1, late=1)
    keys = [("member_counts", (1,)), ("post_counts", ("p2",)), ("topic_counts", ("music",)), (RECENT, (1,))]
    assert set(tiny_product.held(rows, keys).values()) == {None}
    assert caplog.messages == [
        "impressions: 1 of 1 rows came too late for the online store; materialize adds them once the tables have them"
    ]


def test_an_items_features_count_from_just_after_its_version_to_the_end_of_its_life(tiny_product: Product) -> None:
    """Times count from one microsecond after the posts' own."""
    plan, rows = read_plan(tiny_product.plans["impressions"]), tiny_product.rows()
    views = {**plan.views, "post_content": replace(plan.views["post_content"], ttl=5 * SECOND)}
    text, key = replace(plan, views=views).to_json(), ("topic_counts", ("sport",))
    counted = []
    for number, time in enumerate((5 * SECOND + 1, -1, 0, 5 * SECOND, 1)):
        row = _shown(number, 1, "p1", time=product.START - 300 * SECOND + 1 + time)
        assert apply_events(rows, PROJECT, text, [row]) == Outcome(rows=1, new=1)
        held = tiny_product.held(rows, [key])[key]
        counted.append(held[1]["topic_counts_shown"] if held else 0)
    assert counted == [0, 0, 1, 2, 3]
    assert apply_events(rows, PROJECT, text, [_shown(9, 1, "unknown")]) == Outcome(rows=1, new=1)
    assert tiny_product.held(rows, [key])[key][1]["topic_counts_shown"] == 3
