"""The lease in SQLite and in Redis: one owner at a time, and nobody who was overtaken writes."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from feature_repo.lease import Lease, LeaseError, acquire, check, release, renew
from feature_repo.notes import Notes
from feature_repo.slots import Vectors, change_rows, claim, finish, read_slots
from models.time_units import SECOND
from tests.feature_repo.row_stores import notes, redis_address, redis_server, rows

__all__ = ["notes", "redis_address", "redis_server", "rows"]
NOW = 1_768_892_400_000_000


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.time = NOW

    def __call__(self) -> int:
        return self.time


def test_one_run_at_a_time_has_it_and_takes_it_again(notes: Notes) -> None:
    clock = Clock()
    assert acquire(notes, "run-1", 10, clock=clock) == Lease("run-1", 1)
    clock.time += 9 * SECOND
    with pytest.raises(LeaseError, match=r"found run run-1, which holds it until 2026-01-20T07:00:10"):
        acquire(notes, "run-2", 10, clock=clock)
    assert acquire(notes, "run-1", 10, clock=clock) == Lease("run-1", 1)  # its next step
    clock.time += 9 * SECOND
    with pytest.raises(LeaseError):
        acquire(notes, "run-2", 10, clock=clock)
    release(notes, "run-2")  # not its own
    check(notes, Lease("run-1", 1))
    release(notes, "run-1")
    assert acquire(notes, "run-2", 10, clock=clock) == Lease("run-2", 2)


def test_what_expired_may_be_taken_and_the_number_tells(notes: Notes) -> None:
    clock = Clock()
    first = acquire(notes, "run-1", 10, clock=clock)
    clock.time += 10 * SECOND
    renew(notes, first, 10, clock=clock)  # late, but nobody has taken it
    clock.time += 10 * SECOND
    second = acquire(notes, "run-2", 10, clock=clock)
    assert second == Lease("run-2", 2)
    for late in (lambda: check(notes, first), lambda: renew(notes, first, 10, clock=clock)):
        with pytest.raises(
            LeaseError, match=r"expected run run-1 to hold it \(number 1\); found run run-2 \(number 2\)"
        ):
            late()
    clock.time += 10 * SECOND
    again = acquire(notes, "run-1", 10, clock=clock)  # a retry: another number than before
    assert again == Lease("run-1", 3)
    with pytest.raises(LeaseError):
        check(notes, first)
    check(notes, again)


def test_force_takes_it_from_a_run_that_was_killed(notes: Notes) -> None:
    first = acquire(notes, "run-1", 1e6)
    assert acquire(notes, "run-2", 1e6, force=True) == Lease("run-2", 2)
    with pytest.raises(LeaseError):
        check(notes, first)
    release(notes, "run-2")
    with pytest.raises(LeaseError, match=r"found nobody \(number 2\)"):
        check(notes, Lease("run-2", 2))


def test_of_many_pods_one_wins(notes: Notes) -> None:
    def take(run: int) -> bool:
        try:
            acquire(notes, f"run-{run}", 100)
        except LeaseError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(take, range(12))) == 1


def test_a_run_that_was_overtaken_changes_neither_slots_nor_rows(notes: Notes) -> None:
    late = acquire(notes, "run-1", 100)
    claimed = claim(notes, Vectors("1", "e1", NOW, "a"), [], late)
    before = read_slots(notes)
    acquire(notes, "run-2", 100, force=True)
    for write in (
        lambda: change_rows(notes, claimed, [b"key"], [b"row"]),
        lambda: finish(notes, claimed),
        lambda: claim(notes, Vectors("2", "e2", NOW, "b"), [], late),
    ):
        with pytest.raises(LeaseError, match="Another run changes this product now"):
            write()
    assert read_slots(notes) == before
    assert notes.rows.read([b"key"]) == [None]
