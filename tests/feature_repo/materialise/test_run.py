"""Materialisation leaves the same store whatever happened on the way."""

import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.materialise import materialize
from feature_repo.quality import forget
from tests.feature_repo import tiny
from tests.feature_repo.kept import END, Kept, at, full_run, open_kept

MEMBERS, POSTS = list(tiny.MEMBERS), list(tiny.POSTS)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """A product whose tables stay as they are; its online store is emptied by each test."""
    return open_kept(tmp_path_factory.mktemp("kept"))


def test_what_is_visible_at_the_moment_is_written_and_nothing_later(own: Kept) -> None:
    assert own.run(at(4)) == {"profile": 5, "streaks": 5, "posts": 3, "recent_activities": 5}
    assert own.read("profile", "points", MEMBERS) == pytest.approx(MEMBERS)
    assert own.read("posts", "visits", POSTS) == [300.0, 301.0, 302.0]
    own.run(at(4) + 1)
    assert own.read("profile", "points", [*MEMBERS, 99])[:-1] == pytest.approx([m + 0.4 for m in MEMBERS])
    assert own.read("posts", "visits", [*POSTS, "p9"]) == [400.0, 401.0, 402.0, None]


def test_by_default_everything_is_written_once_more_without_a_change(own: Kept) -> None:
    first = materialize(own.store, own.spec)
    before, files = own.dump(), own.records()
    assert materialize(own.store, own.spec) == first
    assert (own.dump(), own.records()) == (before, files)
    assert own.read("posts", "visits", POSTS) == [500.0, 501.0, 502.0]


def test_the_record_is_that_of_the_latest_moment(own: Kept) -> None:
    own.run()
    latest = own.records()
    own.run(at(2))
    assert own.records() == latest


@settings(deadline=None, max_examples=4)
@given(st.lists(st.floats(0.5, 4.5), max_size=2), st.lists(st.booleans(), min_size=3, max_size=3))
def test_any_runs_after_a_later_one_leave_what_it_wrote(shared: Kept, days: list[float], since: list[bool]) -> None:
    expected = full_run(shared)
    shared.clear()
    for day, since_last in zip([4.5, *days], since, strict=False):
        materialize(shared.store, shared.spec, at(day), since_last=since_last)
    assert shared.dump() == expected


@settings(deadline=None, max_examples=4)
@given(st.permutations([1.0, 4.0, 4.5]))
def test_runs_in_any_order_leave_the_latest_values(shared: Kept, days: list[float]) -> None:
    expected = full_run(shared)
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
    from feature_repo.packed.sqlite import SqliteRows
    from feature_repo.stores.online import bulk

    expected = full_run(own)
    monkeypatch.setattr(bulk, "CHUNK", 3)
    whole, ends = SqliteRows.write_newest, 0

    def write_until(writes: int) -> Callable[..., None]:
        left = iter(range(writes))

        def write(rows: Any, pairs: Any, latest: int) -> None:
            if next(left, None) is None:
                raise _KilledError
            whole(rows, pairs, latest)

        return write

    for writes in range(100):
        own.clear()
        forget(own.store)
        if since_last:
            own.run(at(3))
        monkeypatch.setattr(SqliteRows, "write_newest", write_until(writes))
        try:
            own.run(since_last=since_last)
            break
        except _KilledError:
            ends += 1
        monkeypatch.setattr(SqliteRows, "write_newest", whole)
        own.run(since_last=since_last)
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
from feature_repo.packed.sqlite import SqliteRows

bulk.CHUNK = 2
folder, until = Path(sys.argv[1]), int(sys.argv[2])
whole, writes = SqliteRows.write_newest, []

def write(rows, pairs, latest):
    if len(writes) == 4:  # within the second view
        os.kill(os.getpid(), signal.SIGKILL)
    writes.append(None)
    whole(rows, pairs, latest)

SqliteRows.write_newest = write
store = open_store(folder / "feature_store.yaml", folder / "state")
materialize(store, read_applied(store).spec, until)
"""


def test_a_killed_process_leaves_a_store_that_the_next_run_completes(own: Kept) -> None:
    expected = full_run(own)
    own.clear()
    done = subprocess.run(
        [sys.executable, "-c", _KILLED, str(own.state.parent), str(END)], capture_output=True, timeout=120, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    half = own.dump()
    assert 0 < sum(map(len, half.values())) < sum(map(len, expected.values()))
    assert list(own.records()) == ["profile"]
    own.run()
    assert own.dump() == expected


def test_an_empty_table_materialises_to_nothing(own: Kept) -> None:
    own.write("posts")
    assert own.run()["posts"] == 0
    assert own.read("posts", "visits", POSTS) == [None] * 3


def test_rows_that_outlived_their_ttl_are_not_written(own: Kept) -> None:
    ttl = int(timedelta(days=3) / timedelta(microseconds=1))
    assert own.run(at(2) + ttl + 2)["streaks"] == 0
    assert own.run(at(2) + ttl + 1)["streaks"] == 0  # what the later moment left out stays out
    own.clear()
    forget(own.store)
    assert own.run(at(2) + ttl + 1)["streaks"] == len(MEMBERS)


def test_times_before_1970(own: Kept) -> None:
    days = -100 * 365
    own.write("posts", ("p1", days, 1.0), ("p2", days + 1, 2.0))
    own.run(at(days + 1))
    assert own.read("posts", "visits", POSTS) == [1.0, None, None]
