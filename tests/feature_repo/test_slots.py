"""The slot table in SQLite and in Redis, and pushes of several pods into one store."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feature_repo.lease import LeaseError, acquire
from feature_repo.notes import Notes
from feature_repo.packed.sqlite import SqliteRows
from feature_repo.slots import (
    Claim,
    PushError,
    Slot,
    Vectors,
    change_rows,
    check_pushed,
    claim,
    finish,
    forget_slots,
    pushed_until,
    read_slots,
    share,
    slot_of,
)
from models.features import SLOTS
from tests.feature_repo.row_stores import notes, redis_address, redis_server, rows

__all__ = ["notes", "redis_address", "redis_server", "rows"]


def vectors(version: str, encoder: str = "", until: int = 5, content: str = "") -> Vectors:
    return Vectors(version, encoder or f"e{version}", until, content or f"{encoder or version} at {until}")


def pushed(notes: Notes, brought: Vectors, *served: str) -> Claim:
    """A push that is not interrupted."""
    claimed = claim(notes, brought, served)
    if claimed.writer:
        change_rows(notes, claimed, [claimed.slot.encode()], [brought.encoder.encode()])
        finish(notes, claimed)
    return claimed


def test_an_empty_table_holds_nothing(notes: Notes) -> None:
    assert read_slots(notes) == dict.fromkeys(SLOTS, Slot())
    assert (slot_of(notes, "1"), pushed_until(notes, "1")) == (None, 0)
    with pytest.raises(PushError, match=r"expected those of version 1; found none \(blue\), none \(green\), none"):
        check_pushed(notes, "1")


def test_a_slot_claims_nothing_before_its_last_row(notes: Notes) -> None:
    claimed = claim(notes, vectors("1"), [])
    assert slot_of(notes, "1") is None
    change_rows(notes, claimed, [b"key"], [b"row"])
    assert slot_of(notes, "1") is None
    finish(notes, claimed)
    assert check_pushed(notes, "1") == "blue"
    assert pushed_until(notes, "1") == 5


def test_a_push_from_another_pod_never_takes_the_champions_slot(notes: Notes) -> None:
    """The table was beside the store, so a pod with an empty folder wrote over the champion."""
    pushed(notes, vectors("1"))
    for version in ("2", "3", "4", "5"):
        claimed = claim(notes, vectors(version), ["1"])  # each pod is killed before it ends
        assert claimed.slot != "blue"
    assert check_pushed(notes, "1") == "blue"
    pushed(notes, vectors("7"), "1")
    pushed(notes, vectors("8"), "1", "7")
    assert check_pushed(notes, "1") == "blue"
    with pytest.raises(PushError, match="found all taken by serving versions"):
        claim(notes, vectors("9"), ["1", "7", "8"])


def test_what_an_earlier_run_left_half_written_is_taken_first(notes: Notes) -> None:
    pushed(notes, vectors("1"))
    pushed(notes, vectors("2"))
    first = acquire(notes, "run-1", 100)
    assert claim(notes, vectors("3"), ["1"], first).slot == "amber"
    assert claim(notes, vectors("3"), ["1"], first).slot == "amber"  # a retry of its step
    second = acquire(notes, "run-2", 100, force=True)
    assert claim(notes, vectors("4"), ["1"], second).slot == "amber"
    assert slot_of(notes, "2") == "green"


def test_the_slower_of_two_pushes_into_one_slot_writes_no_row(notes: Notes) -> None:
    for version in ("1", "2"):
        pushed(notes, vectors(version))
    slow = claim(notes, vectors("3"), ["1", "2"])
    fast = claim(notes, vectors("4"), ["1", "2"])
    assert slow.slot == fast.slot == "amber"
    with pytest.raises(PushError, match="another push has taken it"):
        change_rows(notes, slow, [b"key"], [b"slow"])
    change_rows(notes, fast, [b"key"], [b"fast"])
    with pytest.raises(PushError, match="another push has taken it"):
        finish(notes, slow)
    finish(notes, fast)
    assert (slot_of(notes, "3"), slot_of(notes, "4")) == (None, "amber")
    assert notes.rows.read([b"key"]) == [b"fast"]


def test_versions_of_one_encoder_share_their_vectors(notes: Notes) -> None:
    pushed(notes, vectors("1", "e"))
    assert pushed(notes, vectors("2", "e"), "1").writer == ""
    assert pushed(notes, vectors("3", "e", until=4), "1").writer == ""  # older data than what serves
    assert read_slots(notes)["blue"].versions == ("1", "2", "3")
    assert pushed(notes, vectors("4", "e", until=6), "1").writer  # newer
    assert {pushed_until(notes, version) for version in "1234"} == {6}
    assert pushed(notes, vectors("1", "e", until=4), "1").writer  # the same version on older data, as asked for
    assert pushed_until(notes, "2") == 4
    pushed(notes, vectors("9"), "2")
    assert check_pushed(notes, "1") == "blue"  # it goes with the one that serves


def test_a_refresh_that_is_killed_leaves_what_serves(notes: Notes) -> None:
    pushed(notes, vectors("1", until=5))
    claim(notes, vectors("1", until=9), ["1"])
    assert check_pushed(notes, "1") == "blue"
    assert pushed_until(notes, "1") == 5
    assert pushed(notes, vectors("1", until=5), "1").writer  # rows of both pushes lie there
    assert pushed(notes, vectors("1", until=5), "1").writer == ""


def test_slots_whose_rows_are_deleted_hold_nothing(notes: Notes) -> None:
    forget_slots(notes)
    assert notes.read("slots") is None
    for version in "12":
        pushed(notes, vectors(version))
    forget_slots(notes, ["blue"])
    assert (slot_of(notes, "1"), slot_of(notes, "2")) == (None, "green")
    forget_slots(notes)
    assert slot_of(notes, "2") is None


STEP = st.tuples(st.integers(1, 6), st.integers(1, 4), st.integers(1, 9), st.integers(0, 3))
"""Version, encoder, until, and how many of a push's steps are done before it is killed (3 = all)."""


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, max_size=12), served=st.sets(st.integers(1, 6), max_size=2))
def test_no_slot_claims_vectors_that_it_does_not_hold(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int, int, int]], served: set[int]
) -> None:
    notes = Notes(SqliteRows(tmp_path_factory.mktemp("rows") / "rows.db"), "news")
    serving = {str(version) for version in served}
    held: dict[str, Any] = {}
    for version, encoder, until, done in steps:
        before = {one: slot_of(notes, one) for one in serving}
        try:
            claimed = claim(notes, vectors(str(version), f"e{encoder}", until), serving)
        except PushError:
            continue
        if claimed.writer and done > 0:
            change_rows(notes, claimed, [claimed.slot.encode()], [f"e{encoder}".encode()])
        if claimed.writer and done > 2:
            finish(notes, claimed)
        for name, slot in read_slots(notes).items():
            if slot.versions or slot.encoder:
                assert notes.rows.read([name.encode()]) == [slot.encoder.encode()]
        held = {one: slot_of(notes, one) for one in serving}
        for one, slot in before.items():
            assert slot is None or held[one] is not None


def test_a_version_that_differs_in_calibration_alone_shares_the_vectors(notes: Notes) -> None:
    with pytest.raises(PushError, match="expected those of version 1, which version 2 shares; found none"):
        share(notes, "2", like="1")
    pushed(notes, vectors("1"))
    lease = acquire(notes, "run-1", 60)
    assert share(notes, "2", like="1", lease=lease) == share(notes, "2", like="1") == "blue"
    assert read_slots(notes)["blue"].versions == ("1", "2")
    assert pushed_until(notes, "2") == pushed_until(notes, "1") == 5
    acquire(notes, "run-2", 60, force=True)
    with pytest.raises(LeaseError, match="found run run-2"):
        share(notes, "3", like="1", lease=lease)
    assert slot_of(notes, "3") is None
