"""The counters' tables against a count by hand and against the fold, event by event."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feature_repo.as_of.counters import state_of
from feature_repo.counters import count
from models.counters.columns import state_columns
from models.counters.derive import derive, empty_state
from models.counters.fold import CounterState, Settled, Shown, events_of, expected_column, fold, initial
from models.counters.plan import OVERALL, CounterPlan
from models.counters.snapshot import expectations
from models.features import VALID_FROM, counter_table
from models.spec import Spec, parse_spec
from models.spec.counter_plans import counter_plans, residual_plan
from tests.models.counters.product import MINUTE, Impression, by_hand, expected_outcome, own, product

DAY = 1440 * MINUTE
TIME = pa.timestamp("us", tz="UTC")
# Few distinct moments around the panes' edges, before 1970 too: ties are the rule.
MOMENTS = st.sampled_from([*range(-4, 4), 15, 16, 17, 48, 49, 60, 1500]).map(lambda minute: minute * MINUTE)
ROWS = st.lists(
    st.tuples(
        MOMENTS,
        st.sampled_from([0, 0, 1, MINUTE, 20 * MINUTE, DAY, DAY + 1]),
        st.integers(1, 2),
        st.sampled_from(["a", "b"]),
        st.sampled_from(["feed", "mail"]),
        st.integers(0, 1),
        st.integers(0, 4),
    ),
    max_size=14,
)
POSTS = st.lists(
    st.tuples(st.sampled_from(["a", "b"]), MOMENTS | MOMENTS.map(lambda m: m - DAY), st.sampled_from(["x", "y", None])),
    max_size=5,
    unique_by=lambda post: post[:2],
)
SETTINGS = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def impressions(rows: Sequence[tuple], posts: Sequence[tuple] = ()) -> list[Impression]:
    """Rows with keys that rise while their times do not, and the topic that their post had just before."""
    return [
        Impression(number, time, time + wait, *others, _topic(posts, others[1], time))
        for number, (time, wait, *others) in enumerate(rows)
    ]


def _topic(posts: Sequence[tuple], post: str, time: int) -> str | None:
    """The last version strictly before, unless it has outlived its day."""
    seen = [(since, topic) for name, since, topic in posts if name == post and since < time]
    return max(seen)[1] if seen and max(seen)[0] + DAY >= time - 1 else None


def counted(spec: Spec, rows: Sequence[Impression], folder: Path, posts: Sequence[tuple] = ()) -> dict[str, pa.Table]:
    """The tables of all counters, by counter."""
    columns: dict[str, Any] = {name: [getattr(row, name) for row in rows] for name in Impression._fields[:-1]}
    kinds = [pa.int64(), TIME, TIME, pa.int64(), pa.string(), pa.string(), pa.int8(), pa.int32()]
    shown = {name: pa.array(columns[name], kind) for name, kind in zip(columns, kinds, strict=True)}
    pq.write_table(pa.table(shown), folder / "impressions.parquet")
    versions: dict[str, Any] = {
        "post_key": pa.array([post for post, _, _ in posts], pa.string()),
        "valid_from": pa.array([time for _, time, _ in posts], TIME),
        "written": pa.array([0 for _ in posts], TIME),
        "topic": pa.array([topic for _, _, topic in posts], pa.string()),
    }
    pq.write_table(pa.table(versions), folder / "posts.parquet")
    sizes = {name: rows for name, rows in count(spec, folder, folder).items() if "expected" not in name}
    tables = {name: pq.read_table(folder / f"{counter_table(name)}.parquet") for name in counter_plans(spec)}
    assert sizes == {counter_table(name): table.num_rows for name, table in tables.items()}
    return tables


def as_of(plan: CounterPlan, table: pa.Table, key: tuple, at: int) -> pa.Table:
    """The key's last row strictly before a moment: a table of one row, or of none."""
    frame = table.select([VALID_FROM, *plan.keys]).to_pandas()
    known = (frame[VALID_FROM].astype("int64") < at).to_numpy()
    for name, value in zip(plan.keys, key, strict=True):
        known &= (frame[name] == value).to_numpy()
    return table.take(np.flatnonzero(known)[-1:])


def state(plan: CounterPlan, row: pa.Table) -> dict:
    return state_of(plan, {c: row[c] for c in state_columns(plan)}) if len(row) else empty_state(plan, 1)


@SETTINGS
@given(rows=ROWS, posts=POSTS, at=st.lists(MOMENTS | MOMENTS.map(lambda m: m + 1), min_size=1, max_size=4))
def test_against_a_count_by_hand(tmp_path: Path, rows: list, posts: list, at: list[int]) -> None:
    spec, shown = product(), impressions(rows, posts)
    tables, plans = counted(spec, shown, tmp_path, posts), counter_plans(spec)
    for name, plan in plans.items():
        keys = {tuple(getattr(row, column) for column in plan.columns) for row in shown}
        for key in [key for key in keys if None not in key and name != OVERALL]:
            for moment in at:
                mine = state(plan, as_of(plan, tables[name], key, moment))
                overall = state(plans[OVERALL], as_of(plans[OVERALL], tables[OVERALL], (), moment))
                found = derive(plan, mine, overall, np.array([moment]), own(1))
                expected = by_hand(spec, name, shown, key, moment)
                assert list(found) == [column for column in found if column in expected]
                for column, value in expected.items():
                    np.testing.assert_allclose(found[column], np.float32([value]), rtol=2e-7, err_msg=column)


@SETTINGS
@given(rows=ROWS, posts=POSTS)
def test_the_batch_is_the_fold_of_all_events(tmp_path: Path, rows: list, posts: list) -> None:
    spec, shown = product(), impressions(rows, posts)
    tables = counted(spec, shown, tmp_path, posts)
    for name, plan in counter_plans(spec).items():
        expected = folded(spec, plan, shown)
        found = {}
        for row in tables[name].to_pylist():
            moment = pd.Timestamp(row.pop(VALID_FROM)).value // 1000
            found[(*(row.pop(key) for key in plan.keys), moment)] = row
        assert len(found) == tables[name].num_rows
        assert found == expected


def folded(spec: Spec, plan: CounterPlan, shown: Sequence[Impression]) -> dict[tuple, CounterState]:
    """(keys, moment) -> the state after the last event of that moment."""
    events: list[tuple[int, int, tuple, Shown | Settled]] = []
    for row in shown:
        key = tuple(getattr(row, column) for column in plan.columns)
        if None not in key:
            explained = {expected_column(rate.name): expected_outcome(spec, rate, shown, row) for rate in plan.rates}
            for event in events_of(plan, row._asdict() | explained, "time", "settled_time", "impression_id"):
                events.append((event.time, row.impression_id, key, event))
    states: dict[tuple, CounterState] = {}
    after: dict[tuple, CounterState] = {}
    for time, _, key, event in sorted(events, key=lambda event: event[:2]):
        states[key] = fold(plan, states.get(key, initial(plan)), event)
        after[*key, time] = states[key]
    return after


@SETTINGS
@given(rows=ROWS)
def test_the_snapshots_say_what_the_batch_expects(tmp_path: Path, rows: list) -> None:
    """By each key's last row when an outcome settles, as the stream reads it; none is later than the newest row."""
    spec, shown = product(), impressions(rows)
    counted(spec, shown, tmp_path)
    plan = residual_plan(spec)
    assert plan is not None
    tables = [pq.read_table(tmp_path / f"{counter_table(one.name)}.parquet") for one in plan.snapshots]
    newest = max([row.time for row in shown], default=0)
    assert all((table[VALID_FROM].cast(pa.int64()).to_numpy() <= newest).all() for table in tables)
    for row in shown:
        states = []
        for snapshot, table in zip(plan.snapshots, tables, strict=True):
            mine = [getattr(row, column) for column in snapshot.columns]
            found = [
                one
                for one in table.to_pylist()
                if [one[key] for key in snapshot.keys] == mine
                and pd.Timestamp(one[VALID_FROM]).value // 1000 <= row.settled_time
            ]
            states.append(found[-1] if found else None)
        expected = {rate.name: expected_outcome(spec, rate, shown, row) for rate in plan.snapshots[0].rates}
        assert expectations(plan, states, row.time, row.settled_time) == expected


def test_a_member_beyond_what_item_and_surface_explain(tmp_path: Path) -> None:
    """By hand. Before midnight: item a 1 of 2, in the feed 1 of 3; then 1 shows a in the feed and clicks it."""
    before = [(-60 * MINUTE, 0, 2, post, "feed", click, 0) for post, click in (("a", 1), ("a", 0), ("b", 0))]
    after = [(time * MINUTE, DAY * late, 1, "a", "feed", 1, 0) for time, late in ((5, 0), (11, 0), (12, 1), (13, 2))]
    spec = product(tried={"keys": ["member"], "rates": ["click"], "residual": True, "smoothing": 3})
    table = counted(spec, impressions([*before, *after]), tmp_path)["tried"]
    mine = table.filter(pa.array(table["member_id"].to_numpy() == 1))
    overall = 333_333
    expected = (1_000_000 + 2 * overall) // 4 + (1_000_000 + 2 * overall) // 5 - overall
    # The first is before the cut is visible, and the last settles after two days.
    assert mine["tried_click_residuals"].to_pylist() == [0, 1, 1, 1, 2, 2]
    assert mine["tried_click_residual"].to_pylist()[-1] == 2 * (1_000_000 - expected)


@SETTINGS
@given(rows=ROWS, at=MOMENTS)
def test_what_settles_at_the_moment_or_later_changes_nothing_before(tmp_path: Path, rows: list, at: int) -> None:
    spec, shown = product(), impressions(rows)
    flipped = [
        row._replace(click=1 - row.click, percent=4 - row.percent) if row.settled_time >= at else row for row in shown
    ]
    before = {name: _before(table, at) for name, table in counted(spec, shown, tmp_path).items()}
    assert before == {name: _before(table, at) for name, table in counted(spec, flipped, tmp_path).items()}


def _before(table: pa.Table, at: int) -> pa.Table:
    return table.filter(pa.array(table[VALID_FROM].cast(pa.int64()).to_numpy() < at))


def test_of_equal_settled_moments_the_larger_key_is_the_later(tmp_path: Path) -> None:
    rows = [(0, 5, 1, "a", "feed", click, 0) for click in (1, 1, 0)] + [(1, 4, 1, "a", "feed", 0, 0)]
    spec = product(tried={"keys": ["member"], "rates": ["click"], "last": 3})
    table = counted(spec, impressions(rows), tmp_path)["tried"]
    assert table["tried_click_last"].to_pylist() == [[], [], [1, 0, 0]]
    assert table["tried_shown"].to_pylist() == [3, 4, 4]


def test_a_version_of_the_very_moment_or_one_that_has_expired_is_no_key(tmp_path: Path) -> None:
    """The post's topic is the one strictly before the impression, for a day, and that is when it counts for one."""
    posts = [("a", 0, "x"), ("a", 5, "y")]
    rows = [(time, 0, 1, "a", "feed", 1, 4) for time in (0, 5, 6, 5 + DAY + 1, 5 + DAY + 2)]
    table = counted(product(), impressions(rows, posts), tmp_path, posts)["by_topic"]
    assert table["topic"].to_pylist() == ["x", "y", "y"]
    assert table[VALID_FROM].cast(pa.int64()).to_pylist() == [5, 6, 5 + DAY + 1]


def test_no_impressions_no_rows_and_no_counters_no_tables(tmp_path: Path) -> None:
    spec = product()
    tables = counted(spec, [], tmp_path)
    assert {name: len(table) for name, table in tables.items()} == dict.fromkeys(counter_plans(spec), 0)
    assert tables["by_topic"].schema.field("topic").type == pa.string()
    assert tables["lately"].schema.field("lately_panes").type == pa.list_(pa.int64())
    assert tables["lately"].schema.field(VALID_FROM).type == TIME
    assert count(spec.model_copy(update={"counters": {}}), tmp_path, tmp_path) == {}


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rows = [
        (int(t), int(w), int(m), "ab"[m % 2], ("feed", "mail")[w % 2], int(w % 2), int(w % 5))
        for t, w, m in zip(*random.integers(0, 400, (3, 2000)), strict=True)
    ]
    spec, shown = product(), impressions(rows)
    written = []
    for _ in range(2):
        counted(spec, shown, tmp_path)
        written.append({path.name: path.read_bytes() for path in tmp_path.glob("counter_*.parquet")})
    assert written[0] == written[1]


def test_counts_do_not_depend_on_the_names_of_tasks_and_measures(tmp_path: Path) -> None:
    """Such as the names that the statement has for columns of its own."""
    rows = impressions([(number * MINUTE, MINUTE, 1, "a", "feed", number % 2, number % 5) for number in range(40)])
    text = product().model_dump_json(by_alias=True)
    odd = text.replace('"click":{"label"', '"place":{"label"').replace('["click"]', '["place"]')
    odd = odd.replace('"share":{', '"added_place":{').replace('["share"', '["added_place"')
    tables = counted(product(), rows, tmp_path)
    renamed = counted(parse_spec(odd), rows, tmp_path)
    for name, table in tables.items():
        assert [column.to_pylist() for column in renamed[name].columns] == [c.to_pylist() for c in table.columns]
