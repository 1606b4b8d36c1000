import random
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.packed.keys import row_key
from feature_repo.packed.layout import layout_of
from feature_repo.packed.pack import FLAG_BATCH, pack
from feature_repo.packed.rows import RowStore
from feature_repo.packed.sqlite import SqliteRows
from feature_repo.stream.apply import apply_events
from feature_repo.stream.errors import StreamError
from feature_repo.stream.packed_rows import Row, layout, read_rows, write_rows
from feature_repo.stream.plan import read_plan
from feature_repo.stream.rebase import rebase
from models.spec import Spec
from models.time_units import SECOND
from tests.feature_repo.stream import product

Pushed = tuple[str, dict[str, Any]]
PROJECT = "tiny"


class Product:
    """The product's views, and a row store at a time."""

    def __init__(self, folder: Path) -> None:
        self.spec: Spec = product.spec_of()
        self.views = product.views_of(self.spec, folder)
        self.plans = {table: product.plan_text(self.views, table) for table in ("impressions", "likes")}
        self.folder, self.number = folder, 0

    def rows(self, history: Sequence[Pushed] = ()) -> RowStore:
        """A store with the posts in it, and the snapshot of what had settled before the start."""
        self.number += 1
        rows = SqliteRows(self.folder / f"{self.number}.db")
        view = layout_of(self.views["post_content"])
        posts = pa.table(
            {
                "post_id": list(product.TOPICS),
                "topic": pa.array(product.TOPICS.values(), pa.string()),
                "title": [""] * 3,
                "time": pa.array([product.START - 300 * SECOND] * 3, pa.timestamp("us", tz="UTC")),
            }
        )
        keys = [row_key(PROJECT, "post_content", (post,)) for post in product.TOPICS]
        rows.write_newest(list(zip(keys, pack(view, posts, "time"), strict=True)))
        for name, column, values in (
            *(("expected_item", "post_id", list(product.TOPICS)), ("expected_surface", "surface", ["feed", "email"])),
            ("expected_overall", "", [""]),
        ):
            for value in values:
                self._write_snapshot(rows, history, name, {column: value} if column else {})
        return rows

    def _write_snapshot(self, rows: RowStore, history: Sequence[Pushed], name: str, key: dict[str, str]) -> None:
        counts = product.snapshot_counts(self.spec, history, product.START, **key)
        state: dict[str, Any] = {f"{name}_cut": [product.START]}
        for rate, (total, number) in counts.items():
            state |= {f"{name}_{rate}_sum": [total], f"{name}_{rate}_of": [number]}
        packed = write_rows(layout_of(self.views[name]), [Row(product.START + 100 * SECOND, 0, state)])
        rows.write_newest([(row_key(PROJECT, name, tuple(key.values())), packed[0])])

    def push(self, rows: RowStore, pushed: Sequence[Pushed]) -> dict[str, Any]:
        """As the online store does: the member stands under the join key."""
        found = {}
        for table, plan in self.plans.items():
            column = read_plan(plan).member_column
            some = [{**row, "member_id": row[column]} for name, row in pushed if name == table]
            found[table] = apply_events(rows, PROJECT, plan, some)
        return found

    def materialise(self, rows: RowStore, known: Sequence[Pushed], until: int) -> None:
        """What `materialise` does: the batch's rows, then those under which the stream went on."""
        by_view: dict[str, list[Any]] = {}
        for (view, keys), (time, state) in product.truth(self.spec, self.plans, known, until).items():
            by_view.setdefault(view, []).append((row_key(PROJECT, view, keys), Row(time, FLAG_BATCH, state)))
        for view, found in by_view.items():
            addresses = [key for key, _ in found]
            packed = write_rows(layout_of(self.views[view]), [row for _, row in found], FLAG_BATCH)
            rows.write_newest(list(zip(addresses, packed, strict=True)))
            rebase(rows, self.spec, self.views[view], addresses, packed)

    def held(self, rows: RowStore, expected: Iterable[Any]) -> dict[Any, Any]:
        """What the store holds for the expected keys, in the same form."""
        stored = read_plan(self.plans["impressions"]).views
        found = {}
        for view, keys in expected:
            (row,) = read_rows(layout(view, stored[view]), rows.read([row_key(PROJECT, view, keys)]))
            found[view, keys] = None if row is None else (row.time, dict(row.values))
        return found

    def expected(self, pushed: Sequence[Pushed], until: int = 2**60) -> dict[Any, Any]:
        return product.truth(self.spec, self.plans, pushed, until)


@pytest.fixture(scope="module")
def tiny_product(tmp_path_factory: pytest.TempPathFactory) -> Product:
    return Product(tmp_path_factory.mktemp("product"))


@st.composite
def histories(draw: st.DrawFn, most: int = 10) -> list[Pushed]:
    """Rows as they are pushed: impressions when shown, when settled, or both times; likes."""
    found: list[Pushed] = []
    for number in range(draw(st.integers(0, most))):
        member, post = draw(st.integers(1, 2)), draw(st.sampled_from(list(product.TOPICS)))
        time = draw(st.integers(-200, 400))
        if draw(st.integers(0, 3)) == 0:
            found.append(("likes", product.like(member, post, time)))
            continue
        settled = draw(st.none() | st.integers(time, time + 60))
        row = product.impression(
            number, member, post, time, settled, draw(st.integers(0, 1)), draw(st.integers(0, 100)),
            surface=draw(st.sampled_from(["feed", "email"])), device=draw(st.sampled_from(["phone", "web"])),
        )  # fmt: skip
        if settled is None or draw(st.booleans()):
            found.append(("impressions", product.shown_only(row)))
        if settled is not None:
            found.append(("impressions", row))
    return found


def _before(row: Pushed, until: int) -> bool:
    """Whether every event of the row is in a batch until then."""
    times = [value for column, value in row[1].items() if column.endswith("time") and value is not None]
    return max(times) < until


@settings(max_examples=80, deadline=None)
@given(
    history=histories(),
    chance=st.randoms(use_true_random=False),
    cuts=st.lists(st.integers(0, 20), max_size=3),
    midway=st.lists(st.integers(-200, 460), max_size=2),
)
def test_any_order_any_duplication_any_split_and_materialise_in_between(
    tiny_product: Product, history: list[Pushed], chance: random.Random, cuts: list[int], midway: list[int]
) -> None:
    until = [product.START + seconds * SECOND for seconds in midway]
    pushed = [row for row in history if not (until and _before(row, max(until)) and chance.random() < 0.3)]
    pushed += [row for row in pushed if chance.random() < 0.3]
    chance.shuffle(pushed)
    rows = tiny_product.rows(history)
    edges = [0, *sorted(min(cut, len(pushed)) for cut in cuts), len(pushed)]
    steps: list[Callable[[], Any]] = [
        partial(tiny_product.push, rows, pushed[start:end]) for start, end in pairwise(edges)
    ]
    steps += [partial(tiny_product.materialise, rows, history, moment) for moment in until]
    chance.shuffle(steps)
    for step in steps:
        step()
    expected = tiny_product.expected(history)
    assert tiny_product.held(rows, expected) == expected
    rows.close()


def test_a_residual_is_against_the_snapshot_that_was_visible_at_the_impression(tiny_product: Product) -> None:
    """By hand: before the start p1 was clicked and p2 was not, so p1 in the feed is expected at 5/8."""
    before = [product.impression(0, 2, "p1", -50, -40, 1), product.impression(1, 2, "p2", -50, -30, 0)]
    after = [product.impression(2, 1, "p1", 100, 170, 1), product.impression(3, 1, "p1", 101, 300, 1)]
    history = [("impressions", row) for row in (*before, *after)]
    for known, residuals in ((history, (1, 375_000)), ([], (0, 0))):
        rows = tiny_product.rows(known)
        tiny_product.push(rows, history)
        ((_, state),) = tiny_product.held(rows, [("member_counts", (1,))]).values()
        assert state["member_counts_settled"] == 2
        # The first was shown when the snapshot was not yet visible.
        assert (state["member_counts_click_residuals"], state["member_counts_click_residual"]) == residuals


def _impressions(count: int, chance: random.Random) -> list[Pushed]:
    return [
        ("impressions", product.impression(n, chance.randrange(5), "p1", n, n + chance.randrange(50), n % 2, n % 100))
        for n in range(count)
    ]


def test_busy_keys_count_exactly_when_far_more_events_come_out_of_order_than_are_remembered(
    tiny_product: Product,
) -> None:
    history = _impressions(700, random.Random(3))
    rows = tiny_product.rows()
    for start in (350, 0):  # the second half first
        tiny_product.push(rows, history[start : start + 350])
    expected = tiny_product.expected(history)
    held = tiny_product.held(rows, expected)
    busy = {key for key in expected if key[0] in ("overall", "post_counts", "topic_counts")}
    assert busy
    assert {key: held[key] for key in busy} == {key: expected[key] for key in busy}


def test_what_a_member_no_longer_remembers_is_late_and_changes_nothing(
    tiny_product: Product, caplog: pytest.LogCaptureFixture
) -> None:
    rows = tiny_product.rows()
    history = [("impressions", product.impression(n, 1, "p1", 100 + n, 100 + n)) for n in range(200)]
    tiny_product.push(rows, history)
    before = tiny_product.held(rows, tiny_product.expected(history))
    old = ("impressions", product.impression(1000, 1, "p1", 1, 2))
    outcome = tiny_product.push(rows, [old])["impressions"]
    assert (outcome.rows, outcome.late) == (1, 1)
    assert "1 of 1 rows came too late" in caplog.text
    assert tiny_product.held(rows, tiny_product.expected(history)) == before


def test_rows_that_came_from_elsewhere_are_the_base(tiny_product: Product) -> None:
    """Feast's own materialise writes no flag: such a row stands for everything up to its time."""
    history = _impressions(12, random.Random(5))
    until = product.START + 6 * SECOND
    rows = tiny_product.rows()
    tiny_product.push(rows, history[:2])
    for (view, keys), (time, state) in tiny_product.expected(history, until).items():
        packed = write_rows(layout_of(tiny_product.views[view]), [Row(time, 0, state)], 0)
        rows.write_newest([(row_key(PROJECT, view, keys), packed[0])])
    tiny_product.push(rows, history)
    expected = tiny_product.expected(history)
    held = tiny_product.held(rows, expected)
    assert held["overall", ()] == expected["overall", ()]


def test_outcomes_are_counted_by_row(tiny_product: Product) -> None:
    rows = tiny_product.rows()
    row = product.impression(1, 1, "p1", 10, 20, click=1)
    pushed = [product.shown_only(row), row, row, {**row, "settled_time": row["settled_time"] + 1}]
    outcome = tiny_product.push(rows, [("impressions", pushed_row) for pushed_row in pushed])["impressions"]
    assert (outcome.rows, outcome.new, outcome.duplicates, outcome.late) == (4, 2, 2, 0)
    assert tiny_product.push(rows, [])["impressions"].rows == 0


def test_an_item_that_came_later_than_the_impression_has_no_features_yet(tiny_product: Product) -> None:
    rows = tiny_product.rows()
    early = product.impression(1, 1, "p1", 0, 1)
    tiny_product.push(rows, [("impressions", {**early, "time": product.START - 300 * SECOND})])
    assert tiny_product.held(rows, [("topic_counts", ("sport",))])["topic_counts", ("sport",)] is None
    tiny_product.push(rows, [("impressions", product.impression(2, 1, "p1", 0, 1))])
    assert tiny_product.held(rows, [("topic_counts", ("sport",))])["topic_counts", ("sport",)] is not None


def test_two_writers_at_once_lose_nothing(tiny_product: Product) -> None:
    history = _impressions(120, random.Random(5))
    rows = tiny_product.rows()
    with ThreadPoolExecutor(2) as pool:
        halves = [history[0::2], history[1::2]]
        list(pool.map(lambda half: [tiny_product.push(rows, [row]) for row in half], halves))
    expected = tiny_product.expected(history)
    assert tiny_product.held(rows, expected) == expected


def test_a_bad_row_stops_all_of_its_push(tiny_product: Product) -> None:
    rows = tiny_product.rows()
    good = product.impression(1, 1, "p1", 10, 20)
    bad = {**product.impression(2, 1, "p1", 10, 20), "percent": 101}
    with pytest.raises(
        StreamError,
        match="column percent: expected numbers from 0 to 100; found 1 rows such as 101, the first at row 2",
    ):
        tiny_product.push(rows, [("impressions", good), ("impressions", bad)])
    expected = tiny_product.expected([("impressions", good)])
    assert set(tiny_product.held(rows, expected).values()) == {None}
