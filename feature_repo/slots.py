"""Slot table: which model versions' vectors lie in which slot of the online store.

It is the note ``slots`` of the product's project, changed by compare-and-set only: whichever pod pushes, a slot that
serves is never given to another encoder. A slot that is written anew holds nothing until its last row is written.
"""

import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from feature_repo.lease import NOTE as LEASE
from feature_repo.lease import Lease, check_document
from feature_repo.notes import Document, Notes, notes_of
from models.features import SLOTS

NOTE = "slots"


class PushError(ValueError):
    """Raised when vectors cannot be pushed: a file or column is missing, a key is duplicated, or no slot is free."""


@dataclass(frozen=True)
class Slot:
    """What one slot holds."""

    versions: tuple[str, ...] = ()
    """Versions whose vectors these are. They differ in calibration only."""
    encoder: str = ""
    """The encoder that made all vectors (``models.training.encoder``); "" = the slot holds none, or a part."""
    until: int = 0
    """The time up to which the vectors know events, microseconds UTC."""
    content: str = ""
    """Digest of the pushed vectors; "" while some of them are being replaced."""
    writer: str = ""
    """The push that writes the slot, preceded by the number of its lease; "" = none does."""


@dataclass(frozen=True)
class Vectors:
    """What a push brings."""

    version: str
    encoder: str
    until: int
    content: str


@dataclass(frozen=True)
class Claim:
    """A slot that a push may write, or, without ``writer``, that holds its vectors already."""

    slot: str
    writer: str
    vectors: Vectors
    lease: Lease | None


def read_slots(store: Any) -> dict[str, Slot]:
    """The table: every slot of ``SLOTS``. ``store`` is a FeatureStore or its notes. Raises NotesError."""
    return _table(notes_of(store).read(NOTE))


def slot_of(store: Any, version: str) -> str | None:
    """The slot with all vectors of a version; None if they were never pushed or have been replaced."""
    return next((name for name, slot in read_slots(store).items() if version in slot.versions), None)


def check_pushed(store: Any, version: str) -> str:
    """The slot with the vectors of a version. Raises PushError if the store does not hold them."""
    slots = read_slots(store)
    for name, slot in slots.items():
        if version in slot.versions:
            return name
    raise PushError(
        f"vectors: expected those of version {version}; found {_named(slots)}. Push the version's vectors first (the "
        "pipelines training and refresh do)"
    )


def pushed_until(store: Any, version: str) -> int:
    """The time up to which a version's vectors know events, microseconds UTC; later requests see them. 0 if none."""
    return max((slot.until for slot in read_slots(store).values() if version in slot.versions), default=0)


def all_taken(store: Any, served: Collection[str]) -> str | None:
    """What the slots hold, in words, if a push of another encoder would find none free; None if it would."""
    table = read_slots(store)
    return None if _unserved(table, served) else _named(table)


def forget_slots(store: Any, slots: Collection[str] = SLOTS) -> None:
    """Forget what these slots hold, before their rows are deleted."""

    def change(found: Document | None) -> Document | None:
        table = _table(found)
        return _document({**table, **dict.fromkeys(slots, Slot())}) if found and slots else None

    notes_of(store).change(NOTE, change)


def claim(store: Any, vectors: Vectors, served: Collection[str], lease: Lease | None = None) -> Claim:
    """Find the slot for vectors, and mark it as being written.

    A slot of the same encoder is shared. Its rows are written again only for newer vectors, or other ones of the same
    version. Otherwise the slot is one without versions among ``served``, and holds nothing from now on. Raises
    PushError if there is none, LeaseError if ``lease`` was lost.
    """
    found = Claim("", "", vectors, lease)

    def change(table: dict[str, Slot]) -> dict[str, Slot]:
        nonlocal found
        writer = f"{lease.number if lease else 0}.{secrets.token_hex(8)}"
        for name, slot in table.items():
            if slot.encoder and slot.encoder == vectors.encoder:
                held = replace(slot, versions=_with(slot.versions, vectors.version))
                if _up_to_date(slot, vectors):
                    found = Claim(name, "", vectors, lease)
                    return _moved(table, name, held, vectors.version)
                found = Claim(name, writer, vectors, lease)
                held = replace(held, until=min(slot.until, vectors.until), content="", writer=writer)
                return _moved(table, name, held, vectors.version)
        name = _free(table, vectors.version, served, lease)
        found = Claim(name, writer, vectors, lease)
        return {**table, name: Slot(writer=writer)}

    _change(notes_of(store), change, lease)
    return found


def share(store: Any, version: str, like: str, lease: Lease | None = None) -> str:
    """Let a version use the vectors of ``like``, which has the same encoder; return the slot.

    Raises PushError if the store does not hold those, LeaseError if ``lease`` was lost.
    """
    found = ""

    def change(table: dict[str, Slot]) -> dict[str, Slot]:
        nonlocal found
        found = next((name for name, slot in table.items() if like in slot.versions), "")
        if not found:
            raise PushError(
                f"vectors: expected those of version {like}, which version {version} shares; found {_named(table)}. "
                "Run the pipeline refresh first"
            )
        return _moved(table, found, replace(table[found], versions=_with(table[found].versions, version)), version)

    _change(notes_of(store), change, lease)
    return found


def finish(store: Any, claimed: Claim) -> None:
    """Enter the vectors of a claim, after the last row. Raises PushError if another push has taken the slot."""
    vectors = claimed.vectors

    def change(table: dict[str, Slot]) -> dict[str, Slot]:
        check_claim(table, claimed)
        versions = _with(table[claimed.slot].versions, vectors.version)
        return _moved(
            table, claimed.slot, Slot(versions, vectors.encoder, vectors.until, vectors.content), vectors.version
        )

    _change(notes_of(store), change, claimed.lease)


def change_rows(store: Any, claimed: Claim, keys: list[bytes], rows: list[bytes]) -> None:
    """Replace rows of a claimed slot, in one atomic step with the check that it is still claimed.

    Raises PushError if another push has taken the slot, LeaseError if the lease was lost.
    """

    def change(
        documents: list[Document | None], stored: list[bytes | None]
    ) -> tuple[list[Document | None], list[bytes | None]]:
        if claimed.lease is not None:
            check_document(documents[1], claimed.lease)
        check_claim(_table(documents[0]), claimed)
        return [None, None], [*rows]

    notes_of(store).change_all([NOTE, LEASE], change, keys)


def check_claim(table: Mapping[str, Slot], claimed: Claim) -> None:
    """Raise PushError if another push has taken the slot."""
    if table[claimed.slot].writer != claimed.writer:
        raise PushError(
            f"slot {claimed.slot}: expected it to be free for version {claimed.vectors.version} until all is written; "
            "found that another push has taken it. Push again when that has ended"
        )


def _change(notes: Notes, change: Callable[[dict[str, Slot]], dict[str, Slot]], lease: Lease | None) -> None:
    """Change the table if the lease is still held, in one atomic step."""

    def change_all(
        documents: list[Document | None], _: list[bytes | None]
    ) -> tuple[list[Document | None], list[bytes | None]]:
        if lease is not None:
            check_document(documents[1], lease)
        return [_document(change(_table(documents[0]))), None], []

    notes.change_all([NOTE, LEASE], change_all)


def _up_to_date(slot: Slot, vectors: Vectors) -> bool:
    """Whether nothing needs to be written into a slot of the same encoder."""
    if not slot.content:
        return False  # a push was killed while it replaced them
    return slot.content == vectors.content or (vectors.version not in slot.versions and vectors.until <= slot.until)


def _free(table: Mapping[str, Slot], version: str, served: Collection[str], lease: Lease | None) -> str:
    """The slot to write: an empty one, else the one with the oldest vectors; one that another push writes comes last.

    With a lease, pushes of the same or an earlier one write no more.
    """
    mine = lease.number if lease else -1
    free = _unserved(table, served)
    if not free:
        raise PushError(
            f"vectors: expected a free slot for version {version}; found all taken by serving versions "
            f"({_named(table)}). Promote the canary or roll it back first"
        )

    def order(name: str) -> tuple[bool, bool, int]:
        number, claimed, _ = table[name].writer.partition(".")
        return bool(claimed) and int(number) > mine, bool(table[name].versions), table[name].until

    return min(free, key=order)


def _unserved(table: Mapping[str, Slot], served: Collection[str]) -> list[str]:
    return [name for name, slot in table.items() if not set(served) & set(slot.versions)]


def _moved(table: Mapping[str, Slot], name: str, slot: Slot, version: str) -> dict[str, Slot]:
    """The table with this slot, and the version in no other one."""
    others = {
        other: replace(held, versions=tuple(one for one in held.versions if one != version))
        for other, held in table.items()
    }
    return {**others, name: slot}


def _with(versions: tuple[str, ...], version: str) -> tuple[str, ...]:
    return versions if version in versions else (*versions, version)


def _named(table: Mapping[str, Slot]) -> str:
    return ", ".join(f"{' and '.join(slot.versions) or 'none'} ({name})" for name, slot in table.items())


def _table(document: Document | None) -> dict[str, Slot]:
    found = document or {}
    return {
        name: Slot(**{**found[name], "versions": tuple(found[name]["versions"])}) if name in found else Slot()
        for name in SLOTS
    }


def _document(table: Mapping[str, Slot]) -> Document:
    return {name: asdict(slot) for name, slot in table.items()}
