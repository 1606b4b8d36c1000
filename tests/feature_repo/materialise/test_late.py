"""Materialisation of rows that come late: a full run, and one since the last."""

from datetime import timedelta

import pytest

from feature_repo.materialise import materialize
from tests.feature_repo import kept, tiny
from tests.feature_repo.kept import Kept, at

MEMBERS, POSTS = list(tiny.MEMBERS), list(tiny.POSTS)


def test_late_rows_arrive_with_a_full_run(own: Kept) -> None:
    own.write("posts", ("p1", 4, 1.0))
    own.run()
    own.write("posts", ("p1", 4, 1.0), ("p2", 0, 2.0))
    own.run()
    assert own.read("posts", "visits", POSTS) == [1.0, 2.0, None]


def test_a_late_event_that_changes_later_rows_of_its_key_replaces_them(own: Kept) -> None:
    own.write("posts", ("p1", 4, 1.0), ("p1", 5, 2.0))
    own.run(at(6))
    own.write("posts", ("p1", 3, 1.0), ("p1", 4, 2.0), ("p1", 5, 3.0))
    assert own.run(at(6), since_last=True, overlap=timedelta(days=2))["posts"] == 1
    assert own.read("posts", "visits", ["p1"]) == [3.0]


def test_since_the_last_run_finds_rows_within_the_overlap_and_misses_those_before(own: Kept) -> None:
    own.write("posts", ("p1", 5.9, 1.0))
    own.run(at(6))
    late = [("p1", 5.9, 1.0), ("p2", 5.5, 2.0), ("p3", 4.5, 3.0)]
    own.write("posts", *late)
    assert own.run(at(7), since_last=True)["posts"] == 2
    assert own.read("posts", "visits", POSTS) == [1.0, 2.0, None]
    assert own.run(at(7), since_last=True, overlap=timedelta(days=3))["posts"] == 3
    assert own.read("posts", "visits", POSTS) == [1.0, 2.0, 3.0]


def test_since_the_last_run_finds_the_days_that_one_table_was_behind(own: Kept) -> None:
    own.write("posts", ("p1", 1, 1.0))
    own.run(at(9))
    own.write("posts", ("p1", 1, 1.0), ("p2", 3, 2.0), ("p3", 8, 3.0))
    own.run(at(9), since_last=True)
    assert own.read("posts", "visits", POSTS) == [1.0, 2.0, 3.0]


def test_a_run_for_a_time_that_the_data_did_not_reach_does_not_hide_what_comes_later(own: Kept) -> None:
    own.write("posts", ("p1", 1, 1.0))
    own.run(at(50))
    assert own.records()["posts"]["seen"] == at(1) + 1
    own.write("posts", ("p1", 1, 1.0), ("p2", 4, 2.0))
    own.run(at(5))
    note = own.records()["posts"]
    assert (note["until"], note["seen"]) == (at(50), at(4) + 1)
    own.write("posts", ("p1", 3.5, 3.0), ("p2", 4, 2.0))
    own.run(at(6), since_last=True)
    assert own.read("posts", "visits", POSTS) == [3.0, 2.0, None]


def test_the_first_rows_of_an_empty_table_are_found(own: Kept) -> None:
    own.write("posts")
    own.run(at(9))
    assert own.records()["posts"]["seen"] is None
    own.write("posts", ("p1", 1, 1.0))
    own.run(at(9), since_last=True)
    assert own.read("posts", "visits", ["p1"]) == [1.0]


def test_since_the_last_run_finds_what_was_written_since_however_old_its_event_is(own: Kept) -> None:
    old = [(1, 5, 5, 1.0, "a"), (2, 1, 1, 2.0, "b"), (3, 9, 1, 3.0, "c")]
    own.write("profile", *old)
    own.run(at(6))
    assert own.read("profile", "points", [1, 2, 3, 4]) == [1.0, 2.0, None, None]
    in_place = (2, 1, 1, 2.5, "b")  # its created time says that nothing has changed
    own.write("profile", old[0], in_place, old[2], (4, 0, 7, 4.0, "d"))
    # Member 1 is within the overlap, 3 has become visible, 4 was written since.
    assert own.run(at(10), since_last=True)["profile"] == 3
    assert own.read("profile", "points", [1, 2, 3, 4]) == [1.0, 2.0, 3.0, 4.0]
    own.run(at(10))
    assert own.read("profile", "points", [2]) == [2.5]


def test_since_the_last_run_writes_all_where_nothing_is_known(own: Kept) -> None:
    assert own.run(at(6), since_last=True)["profile"] == 5
    assert own.run(at(9), since_last=True)["profile"] == 5  # created within a day of the last that was seen
    own.write("profile", *((m, 0, 0 if m > 1 else 4, m, "x") for m in MEMBERS))
    assert own.run(at(9), since_last=True)["profile"] == 1
    own.clear()
    assert own.run(at(9), since_last=True)["profile"] == 5
    wider = own.again(kept.kept_spec(profile={"features": {"points": "number"}}))
    assert wider.run(at(9), since_last=True)["profile"] == 5
    with pytest.raises(ValueError, match="expected noted=True"):
        materialize(own.store, own.spec, since_last=True, noted=False)
