"""Lease: one pipeline run at a time may change what a product serves, wherever the runs' pods are.

The note ``lease`` holds the owner (a run, so that its later steps and its retries take it again), a number that grows
with every new owner, and the time at which others may take it. Writers check the number in the same atomic change: a
run that was overtaken, however slow it is, can no longer write.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from feature_repo.notes import Document, notes_of
from models.clock import now, readable
from models.time_units import SECOND

NOTE = "lease"
Clock = Callable[[], int]
"""The current time, microseconds UTC."""


class LeaseError(RuntimeError):
    """Raised if another run holds the lease."""


class HeldError(LeaseError):
    """Raised where the lease cannot be taken, because another run holds it: it may be waited for."""

    def __init__(self, owner: str, until: int) -> None:
        super().__init__(
            f"lease: expected no other run that changes this product; found run {owner}, which holds it until "
            f"{readable(until)}. Wait until it ends"
        )
        self.owner = owner
        """The run that holds it."""


@dataclass(frozen=True)
class Lease:
    """What a holder shows when it writes."""

    owner: str
    number: int


def acquire(store: Any, owner: str, seconds: float, force: bool = False, clock: Clock = now) -> Lease:
    """Take the lease of the store's project for so many seconds, or take it again if the owner is the same.

    ``force`` takes it from any owner, for runs that something else already keeps from running at once. Raises
    HeldError while another owner holds it, NotesError if the store does not respond.
    """
    taken = Lease(owner, 0)

    def change(found: Document | None) -> Document:
        nonlocal taken
        held = found or {"owner": "", "number": 0, "until": 0}
        if held["owner"] != owner and held["owner"] and held["until"] > clock() and not force:
            raise HeldError(held["owner"], held["until"])
        taken = Lease(owner, held["number"] + (held["owner"] != owner))
        return {"owner": owner, "number": taken.number, "until": clock() + round(seconds * SECOND)}

    notes_of(store).change(NOTE, change)
    return taken


def renew(store: Any, lease: Lease, seconds: float, clock: Clock = now) -> None:
    """Hold a lease for so many more seconds. Raises LeaseError if another owner took it, NotesError."""

    def change(found: Document | None) -> Document:
        check_document(found, lease)
        return {"owner": lease.owner, "number": lease.number, "until": clock() + round(seconds * SECOND)}

    notes_of(store).change(NOTE, change)


def release(store: Any, owner: str) -> None:
    """Give the lease back if this owner has it. The number stays, so that the next owner's is greater."""

    def change(found: Document | None) -> Document | None:
        if found is None or found["owner"] != owner:
            return None
        return {"owner": "", "number": found["number"], "until": 0}

    notes_of(store).change(NOTE, change)


def check(store: Any, lease: Lease) -> None:
    """Raise LeaseError if the lease was given back or another owner took it; NotesError if the store is silent."""
    check_document(notes_of(store).read(NOTE), lease)


def check_document(found: Document | None, lease: Lease) -> None:
    """The same for the note's content, inside an atomic change."""
    owner, number = (found["owner"], found["number"]) if found else ("", 0)
    if (owner, number) != (lease.owner, lease.number):
        raise LeaseError(
            f"lease: expected run {lease.owner} to hold it (number {lease.number}); found "
            f"{f'run {owner}' if owner else 'nobody'} (number {number}). Another run changes this product now: start "
            "this one again when that has ended"
        )
