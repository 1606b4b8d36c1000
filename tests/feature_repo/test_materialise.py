"""Materialisation: the same store whatever happened on the way; late rows; views that the gate refuses."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.apply import apply
from feature_repo.commands import main
from feature_repo.errors import QualityError
from feature_repo.materialise import materialize
from feature_repo.quality import forget
from tests.feature_repo import kept, tiny
from tests.feature_repo.kept import Kept, at, open_kept
from tests.feature_repo.redis_server import running_redis

MEMBERS, POSTS = list(tiny.MEMBERS), list(tiny.POSTS)
END = at(4.5)
"""Nothing has expired, and not all has happened."""


@pytest.fixture
def own(tmp_path: Path) -> Kept:
    """A product that one test may change."""
    return open_kept(tmp_path)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """A product whose tables stay as they are; its online store is emptied by each test."""
    return open_kept(tmp_path_factory.mktemp("kept"))


def _run(product: Kept, until: int = END, **options: Any) -> dict[str, int]:
    return materialize(product.store, product.spec, until, state=product.state, **options)


def _fresh(product: Kept, until: int = END) -> dict[str, dict[bytes, bytes]]:
    """What one full run into an empty store would leave."""
    product.clear()
    materialize(product.store, product.spec, until)
    return product.dump()


# ---- The same store ----


def test_what_is_visible_at_the_moment_is_written_and_nothing_later(own: Kept) -> None:
    assert _run(own, at(4)) == {"profile": 5, "streaks": 5, "posts": 3, "recent_activities": 5}
    assert own.read("profile", "score", MEMBERS) == pytest.approx(MEMBERS)
    assert own.read("posts", "visits", POSTS) == [300.0, 301.0, 302.0]
    _run(own, at(4) + 1)
    assert own.read("profile", "score", [*MEMBERS, 99])[:-1] == pytest.approx([m + 0.4 for m in MEMBERS])
    assert own.read("posts", "visits", [*POSTS, "p9"]) == [400.0, 401.0, 402.0, None]


def test_by_default_everything_is_written_once_more_without_a_change(own: Kept) -> None:
    first = materialize(own.store, own.spec, state=own.state)
    before, files = own.dump(), _records(own)
    assert materialize(own.store, own.spec, state=own.state) == first
    assert (own.dump(), _records(own)) == (before, files)
    assert own.read("posts", "visits", POSTS) == [500.0, 501.0, 502.0]


def test_the_record_is_that_of_the_latest_moment(own: Kept) -> None:
    _run(own)
    latest = _records(own)
    _run(own, at(2))
    assert _records(own) == latest


@settings(deadline=None, max_examples=4)
@given(st.lists(st.floats(0.5, 4.5), max_size=2), st.lists(st.booleans(), min_size=3, max_size=3))
def test_any_runs_after_a_later_one_leave_what_it_wrote(shared: Kept, days: list[float], since: list[bool]) -> None:
    expected = _fresh(shared)
    shared.clear()
    for day, since_last in zip([4.5, *days], since, strict=False):
        materialize(shared.store, shared.spec, at(day), state=shared.state, since_last=since_last)
    assert shared.dump() == expected


@settings(deadline=None, max_examples=4)
@given(st.permutations([1.0, 4.0, 4.5]))
def test_runs_in_any_order_leave_the_latest_values(shared: Kept, days: list[float]) -> None:
    expected = _fresh(shared)
    shared.clear()
    for day in days:
        materialize(shared.store, shared.spec, at(day))
    found = shared.dump()
    assert {view: found[view] for view in ("profile", "posts")} == {v: expected[v] for v in ("profile", "posts")}


class _KilledError(Exception):
    """Stands for the end of a process in the middle of a run."""


@pytest.mark.parametrize("since_last", [False, True])
def test_a_run_that_ended_at_any_write_is_made_good_by_the_next(
    own: Kept, monkeypatch: pytest.MonkeyPatch, since_last: bool
) -> None:
    from feature_repo.stores.online import bulk
    from feature_repo.stores.online.sqlite import SqliteRows

    expected = _fresh(own)
    monkeypatch.setattr(bulk, "CHUNK", 3)
    whole, ends = SqliteRows.write_newest, 0

    def write_until(writes: int) -> Callable[..., None]:
        left = iter(range(writes))

        def write(rows: Any, pairs: Any) -> None:
            if next(left, None) is None:
                raise _KilledError
            whole(rows, pairs)

        return write

    for writes in range(100):
        own.clear()
        forget(own.state)
        if since_last:
            _run(own, at(3))
        monkeypatch.setattr(SqliteRows, "write_newest", write_until(writes))
        try:
            _run(own, since_last=since_last)
            break
        except _KilledError:
            ends += 1
        monkeypatch.setattr(SqliteRows, "write_newest", whole)
        _run(own, since_last=since_last)
        assert own.dump() == expected
    assert ends >= 5  # five members twice and three posts, three a write


_KILLED = """
import os, signal, sys
from pathlib import Path
from feature_repo.materialise import materialize
from feature_repo.quality import forget
from feature_repo.store import open_store
from feature_repo.applied import read_applied
from feature_repo.stores.online import bulk
from feature_repo.stores.online.sqlite import SqliteRows

bulk.CHUNK = 2
folder, until = Path(sys.argv[1]), int(sys.argv[2])
whole, writes = SqliteRows.write_newest, []

def write(rows, pairs):
    if len(writes) == 4:  # within the second view
        os.kill(os.getpid(), signal.SIGKILL)
    writes.append(None)
    whole(rows, pairs)

SqliteRows.write_newest = write
store, state = open_store(folder / "feature_store.yaml", folder / "state"), folder / "state"
materialize(store, read_applied(state).spec, until, state=state)
"""


def test_a_killed_process_leaves_a_store_that_the_next_run_completes(own: Kept) -> None:
    expected = _fresh(own)
    own.clear()
    done = subprocess.run(
        [sys.executable, "-c", _KILLED, str(own.state.parent), str(END)], capture_output=True, timeout=120, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    half = own.dump()
    assert 0 < sum(map(len, half.values())) < sum(map(len, expected.values()))
    assert list(_records(own)) == ["profile.json"]
    _run(own)
    assert own.dump() == expected


def test_an_empty_table_materialises_to_nothing(own: Kept) -> None:
    own.write("posts")
    assert _run(own)["posts"] == 0
    assert own.read("posts", "visits", POSTS) == [None] * 3


def test_rows_that_outlived_their_ttl_are_not_written(own: Kept) -> None:
    ttl = int(timedelta(days=3) / timedelta(microseconds=1))
    assert _run(own, at(2) + ttl + 2)["streaks"] == 0
    assert _run(own, at(2) + ttl + 1)["streaks"] == 0  # what the later moment left out stays out
    own.clear()
    assert materialize(own.store, own.spec, at(2) + ttl + 1)["streaks"] == len(MEMBERS)


def test_times_before_1970(own: Kept) -> None:
    days = -100 * 365
    own.write("posts", ("p1", days, 1.0), ("p2", days + 1, 2.0))
    _run(own, at(days + 1))
    assert own.read("posts", "visits", POSTS) == [1.0, None, None]


# ---- Late rows ----


def test_late_rows_arrive_with_a_full_run(own: Kept) -> None:
    own.write("posts", ("p1", 4, 1.0))
    _run(own)
    own.write("posts", ("p1", 4, 1.0), ("p2", 0, 2.0))
    _run(own)
    assert own.read("posts", "visits", POSTS) == [1.0, 2.0, None]


def test_a_late_event_that_changes_later_rows_of_its_key_replaces_them(own: Kept) -> None:
    own.write("posts", ("p1", 4, 1.0), ("p1", 5, 2.0))
    _run(own, at(6))
    own.write("posts", ("p1", 3, 1.0), ("p1", 4, 2.0), ("p1", 5, 3.0))
    assert _run(own, at(6), since_last=True, overlap=timedelta(days=2))["posts"] == 1
    assert own.read("posts", "visits", ["p1"]) == [3.0]


def test_since_the_last_run_finds_rows_within_the_overlap_and_misses_those_before(own: Kept) -> None:
    own.write("posts", ("p1", 1, 1.0))
    _run(own, at(6))
    late = [("p1", 1, 1.0), ("p2", 5.5, 2.0), ("p3", 4.5, 3.0)]
    own.write("posts", *late)
    assert _run(own, at(7), since_last=True)["posts"] == 1
    assert own.read("posts", "visits", POSTS) == [1.0, 2.0, None]
    assert _run(own, at(7), since_last=True, overlap=timedelta(days=3))["posts"] == 2
    assert own.read("posts", "visits", POSTS) == [1.0, 2.0, 3.0]


def test_since_the_last_run_finds_what_was_written_since_however_old_its_event_is(own: Kept) -> None:
    old = [(1, 5, 5, 1.0, "a"), (2, 1, 1, 2.0, "b"), (3, 9, 1, 3.0, "c")]
    own.write("profile", *old)
    _run(own, at(6))
    assert own.read("profile", "score", [1, 2, 3, 4]) == [1.0, 2.0, None, None]
    in_place = (2, 1, 1, 2.5, "b")  # its created time says that nothing has changed
    own.write("profile", old[0], in_place, old[2], (4, 0, 7, 4.0, "d"))
    # Member 1 is within the overlap, 3 has become visible, 4 was written since.
    assert _run(own, at(10), since_last=True)["profile"] == 3
    assert own.read("profile", "score", [1, 2, 3, 4]) == [1.0, 2.0, 3.0, 4.0]
    _run(own, at(10))
    assert own.read("profile", "score", [2]) == [2.5]


def test_since_the_last_run_writes_all_where_nothing_is_known(own: Kept) -> None:
    assert _run(own, at(6), since_last=True)["profile"] == 5
    assert _run(own, at(9), since_last=True)["profile"] == 5  # created within a day of the last that was seen
    own.write("profile", *((m, 0, 0 if m > 1 else 4, m, "x") for m in MEMBERS))
    assert _run(own, at(9), since_last=True)["profile"] == 1
    own.clear()
    assert _run(own, at(9), since_last=True)["profile"] == 5
    wider = own.again(kept.kept_spec(profile={"features": {"score": "number"}}))
    assert _run(wider, at(9), since_last=True)["profile"] == 5
    with pytest.raises(ValueError, match="expected the state folder"):
        materialize(own.store, own.spec, since_last=True)


def _records(product: Kept) -> dict[str, dict[str, Any]]:
    return {file.name: json.loads(file.read_text()) for file in (product.state / "feast" / "quality").glob("*.json")}


# ---- The quality gate ----


def _expecting(product: Kept, **parts: Any) -> Kept:
    return product.again(kept.kept_spec(profile={"expectations": parts}))


def test_a_view_that_fails_keeps_its_last_good_values_and_the_others_go_on(own: Kept) -> None:
    own = _expecting(own, score={"nulls": 0.1, "max": 10})
    _run(own, at(6))
    before, records = own.read("profile", "score", MEMBERS), _records(own)
    own.write("profile", *((m, 7, 7, None if m == 1 else 50.0, "x") for m in MEMBERS))
    own.write("posts", ("p1", 7, 1_000.0))
    done = _run(own, at(8))
    assert list(done) == ["streaks", "posts", "recent_activities"]
    (nulls, largest) = done.refused["profile"]
    assert str(nulls).startswith(
        "view profile, score: expected no value for at most 0.1 of the keys; found 0.2 (1 of 5"
    )
    assert largest.found == "50"
    assert own.read("profile", "score", MEMBERS) == before
    assert own.read("posts", "visits", ["p1"]) == [1_000.0]
    assert _records(own)["profile.json"] == records["profile.json"]
    intervals = own.store.get_feature_view("profile").materialization_intervals
    assert [end for _, end in intervals] == [kept.moment(6) - timedelta(microseconds=1)]
    own.write("profile", *((m, 7, 7, 5.0, "x") for m in MEMBERS))
    assert _run(own, at(8), since_last=True)["profile"] == 5
    assert own.read("profile", "score", MEMBERS) == [5.0] * 5


def test_a_view_without_good_values_is_an_error_after_the_others_were_written(own: Kept) -> None:
    own = _expecting(own, score={"max": 3})
    with pytest.raises(QualityError, match=r"view profile, score: expected values of at most 3; found 5\.4"):
        _run(own)
    assert own.read("profile", "score", MEMBERS) == [None] * 5
    assert None not in own.read("posts", "visits", POSTS)
    assert "profile.json" not in _records(own)


def test_drift_is_judged_against_the_last_good_values_and_not_the_refused_ones(own: Kept) -> None:
    own = _expecting(own, country={"drift": 0.2}, score={"drift": 0.2})

    def shift(day: int, share: float, score: float) -> list[str]:
        rows = ((m, day, day, m % 7 + score, "a" if m < 200 * share else "b") for m in range(200))
        own.write("profile", *rows)
        refused = materialize(own.store, own.spec, at(day + 1), state=own.state).refused.get("profile", [])
        return [str(finding.feature) for finding in refused]

    assert shift(1, 0.5, 0.0) == []
    assert shift(2, 0.65, 0.0) == []
    assert shift(3, 0.9, 3.0) == ["country", "score"]
    assert shift(4, 0.9, 0.0) == ["country"]  # refused values are no measure for the next
    assert shift(5, 0.8, 0.0) == []


def test_a_view_that_stopped_is_refused(own: Kept) -> None:
    own = own.again(kept.kept_spec(posts={"fresh_within_days": 2}))
    _run(own, at(6))
    assert [str(f) for f in _run(own, at(7) + 1).refused["posts"]] == [
        "view posts: expected a row of the last 2 days before 2026-01-08T00:00:00.000001+00:00; found "
        "2026-01-06T00:00:00+00:00 as the newest. See why the table stopped, or change the view's `fresh_within_days`"
    ]


# ---- The command ----


def test_the_command_prints_what_was_written_and_what_was_refused(
    own: Kept, capsys: pytest.CaptureFixture[str]
) -> None:
    own = own.again(kept.kept_spec(posts={"fresh_within_days": 2}))
    where = ["materialize", "--state", str(own.state), "--config", str(own.state.parent / "feature_store.yaml")]
    assert main([*where, "--until", "2026-01-05"]) == 0
    printed = capsys.readouterr().out
    assert "profile                       5 rows" in printed
    assert own.read("posts", "visits", POSTS) == [300.0, 301.0, 302.0]
    assert main([*where, "--until", "2026-01-09T00:00:00+00:00", "--since-last", "--overlap", "12h"]) == 1
    printed = capsys.readouterr().out
    assert "posts              REFUSED: view posts: expected a row of the last 2 days" in printed
    assert own.read("posts", "visits", POSTS) == [300.0, 301.0, 302.0]
    assert main(["materialize", "--state", str(own.state / "nowhere")]) == 1


# ---- The stream ----


def test_rows_say_that_they_come_from_the_offline_truth(own: Kept) -> None:
    from feature_repo.stores.online.layout import layout_of
    from feature_repo.stores.online.packed import FLAG_BATCH, unpack

    _run(own)
    for view, rows in own.dump().items():
        found = unpack(layout_of(own.store.get_feature_view(view)), list(rows.values()))
        assert found.found.all()
        assert (found.flags == FLAG_BATCH).all()


def test_last_activities_are_those_before_the_moment(own: Kept) -> None:
    liked = at(1)  # members 1 and 2 and so on within three hours of it
    _run(own, liked + 1)
    members = [{"member_id": member} for member in MEMBERS]

    def times() -> list[list[int] | None]:
        feature = "recent_activities:recent_times"
        return own.store.get_online_features(features=[feature], entity_rows=members).to_dict()["recent_times"]

    assert times() == [[liked], None, None, None, None]
    _run(own, END)
    assert times() == [[liked + member // 2 * 3_600_000_000] for member in MEMBERS]


# ---- Redis ----


def test_redis_holds_what_sqlite_holds(shared: Kept, tmp_path: Path) -> None:
    expected = _fresh(shared)
    with running_redis() as address:
        online = {"type": "feature_repo.stores.online.PackedRedisOnlineStore", "connection_string": address}
        other = open_kept(tmp_path, online=online)
        for day, since_last in ((4.5, False), (3, False), (4.5, True)):
            materialize(other.store, other.spec, at(day), state=other.state, since_last=since_last)
        assert other.dump() == expected


# ---- Feast's own commands ----


def test_feast_knows_the_intervals_and_goes_on_from_them(own: Kept) -> None:
    _run(own, at(3))
    _run(own, at(3))
    view = own.store.get_feature_view("posts")
    assert view.most_recent_end_time == kept.moment(3) - timedelta(microseconds=1)
    assert len(view.materialization_intervals) == 1
    own.store.materialize_incremental(kept.moment(5), feature_views=["posts"])
    assert own.read("posts", "visits", POSTS) == [500.0, 501.0, 502.0]  # Feast's own bound is inclusive


def test_the_stock_command_writes_the_same_values(own: Kept) -> None:
    own.store.materialize(kept.START, kept.moment(4), feature_views=list(kept.VIEWS))
    stock = {view: own.read(view, feature, keys) for view, feature, keys in _READS}
    own.clear()
    _run(own, at(4) + 1)
    assert {view: own.read(view, feature, keys) for view, feature, keys in _READS} == stock
    own.store.materialize(kept.START, kept.moment(9), feature_views=list(kept.VIEWS))
    assert own.read("posts", "visits", POSTS) == [500.0, 501.0, 502.0]


_READS = (("profile", "country", MEMBERS), ("streaks", "streak", MEMBERS), ("posts", "visits", POSTS))


def test_another_product_forgets_what_was_written(own: Kept) -> None:
    _run(own)
    assert len(_records(own)) == 4
    apply(own.store, kept.kept_spec().model_copy(update={"name": "other"}), own.tables, own.state)
    assert _records(own) == {}
    assert own.read("posts", "visits", POSTS) == [None] * 3
