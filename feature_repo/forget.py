"""Forget a member: erase its rows from the online store, files of pushed views, kept rows of raw files, served log.

The note of forgotten members comes first, so that nothing brings a row back: ingest, materialize and pushes leave the
member out from then on. Whatever moment a call is killed at, the next one erases the rest.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from feature_repo import lease
from feature_repo.applied import require_applied, storage_of
from feature_repo.forget_files import erase_kept, erase_monitored, erase_pushed, rows_in_tables
from feature_repo.forgotten import NOTE, Forgotten, digest, document, parsed
from feature_repo.notes import Document, notes_of
from feature_repo.packed.keys import key_part, parts_of, row_key, view_prefix
from feature_repo.packed.layout import Layout, layout_of
from feature_repo.packed.rows import RowStore
from feature_repo.projects import applied_projects
from feature_repo.stream.event_log import is_log, log_key
from models import outcome_parts, served_parts
from models.clock import now
from models.served import model_of
from models.served_rewrite import erase, erase_impressions, impressions
from models.spec import Spec
from models.storage import is_remote, join


class ForgetError(ValueError):
    """Raised for a member that is no key of the product's, or that nothing names."""


@dataclass
class Erased:
    """What was erased, or would be."""

    rows: dict[tuple[str, str], int] = field(default_factory=dict)
    """Rows or lines by place and by view or file, where there are any."""
    tables: dict[str, int] = field(default_factory=dict)
    """Rows of the applied tables that name the member, by table; they are not erased, and never written online."""
    run: str = ""
    """The run that changes the product now, and may have read the member's rows before; "" = none."""

    collected: bool = False
    """Whether pods collect their served log in object storage, where they may write a part again."""

    def add(self, place: str, found: dict[str, int]) -> None:
        """Add what was found in one place."""
        for what, rows in found.items():
            if rows:
                self.rows[place, what] = self.rows.get((place, what), 0) + rows


def member_of(spec: Spec, text: str) -> int | str:
    """The key of a member, given as text. Raises ForgetError."""
    node = spec.nodes[spec.impressions.member.node]
    if node.key_type == "string":
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ForgetError(f"MEMBER: expected a {node.key} in UTF-8; found {text!r:.200}") from None
        if not text or "\0" in text:
            raise ForgetError(f"MEMBER: expected a {node.key}, text without a zero character; found {text!r:.200}")
        return text
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 20 and -(2**63) <= int(text) < 2**63):
        raise ForgetError(f"MEMBER: expected a {node.key}, an integer of 64 bits; found {text!r:.200}")
    return int(text)


def forget(store: Any, text: str, open_project: Callable[[str], Any], served: Path, dry_run: bool = False) -> Erased:
    """Forget the member with this key; return what was erased, with ``dry_run`` what would be.

    ``open_project`` opens the store of another project of the product; ``served`` is the folder of the served log.
    Other members' rows and lines stay as they are. Safe with readers and writers, and again. Raises ForgetError if
    nothing names the member and it was not forgotten before; NotAppliedError, NotesError, OSError.
    """
    spec = require_applied(store).spec
    member = member_of(spec, text)
    stores = [store, *map(open_project, _other_projects(store, spec))]
    found = _erase(stores, spec, member, served, dry_run=True)
    if not found.rows and not found.tables and not parsed(notes_of(store).read(NOTE)).holds(member):
        raise ForgetError(
            f"member {text!r:.200}: expected one that the online store, the tables or the served log names; found "
            f"none. Check the key ({spec.nodes[spec.impressions.member.node].key})"
        )
    if dry_run:
        return found
    key = spec.nodes[spec.impressions.member.node].key
    for one in stores:
        _note(one, key, member)
    done = _erase(stores, spec, member, served, dry_run=False)
    for one in stores:  # once more: a batch may have been on its way when the note was written
        done.add(_online(one), _erase_online(one, spec, member, dry_run=False))
    return done


def readmit(store: Any, text: str, open_project: Callable[[str], Any]) -> bool:
    """Take a member's rows again, from the next ingest on; return whether it was forgotten. Raises as ``forget``."""
    spec = require_applied(store).spec
    member = member_of(spec, text)
    stores = [store, *map(open_project, _other_projects(store, spec))]
    return sum(_take_off(one, member) for one in stores) > 0


def _note(store: Any, key: str, member: int | str) -> None:
    """Add a member to the note of a project, in one atomic step."""

    def change(found: Document | None) -> Document:
        before = parsed(found)
        salt = before.salt or secrets.token_bytes(32)
        return document(Forgotten(key, salt, before.digests | {digest(member, salt)}))

    notes_of(store).change(NOTE, change)


def _take_off(store: Any, member: int | str) -> bool:
    """Take a member off the note of a project; return whether it was on it."""
    noted = False

    def change(found: Document | None) -> Document | None:
        nonlocal noted
        before = parsed(found)
        noted = before.holds(member)
        left = Forgotten(before.key, before.salt, before.digests - {digest(member, before.salt)})
        return document(left) if noted else None

    notes_of(store).change(NOTE, change)
    return noted


def _erase(stores: list[Any], spec: Spec, member: int | str, served: Path, dry_run: bool) -> Erased:
    erased = Erased(run=_run_in_progress(stores[0]))
    for store in stores:
        applied = require_applied(store)
        erased.add(_online(store), _erase_online(store, spec, member, dry_run))
        erased.add(f"files of pushed views, {store.project}", erase_pushed(applied, member, dry_run))
        for table, rows in rows_in_tables(applied, member).items():
            erased.tables[table] = max(rows, erased.tables.get(table, 0))
    storage = storage_of(require_applied(stores[0]), stores[0].project)
    if storage:
        erased.add("kept rows of raw files", erase_kept(join(storage, "raw", spec.name), member, dry_run))
        monitored = join(storage, "monitoring", spec.name)
        erased.add("summaries and verdicts", erase_monitored(monitored, member, dry_run))
    model, log = model_of(spec.name), join(storage, served_parts.FOLDER)
    ids = impressions(served, member, model)
    if is_remote(storage):
        ids |= served_parts.impressions(log, member, model)
    if storage:  # before the served log, which alone says whose they are
        erased.add("outcomes", outcome_parts.erase(outcome_parts.address_of(storage, spec.name), ids, dry_run))
    erased.add("new outcomes", erase_impressions(served.parent / outcome_parts.FOLDER, ids, model, dry_run))
    if is_remote(storage):
        erased.collected = True
        collected = served_parts.erase(log, member, model, dry_run)
        erased.add("collected served log", collected)
    erased.add("served log", erase(served, member, model, dry_run))
    return erased


def _online(store: Any) -> str:
    return f"online store, {store.project}"


def _other_projects(store: Any, spec: Spec) -> list[str]:
    """The projects of the product's pipelines that only look."""
    found = applied_projects(store).items()
    return [name for name, applied in found if name != store.project and applied.spec.name == spec.name]


def _erase_online(store: Any, spec: Spec, member: int | str, dry_run: bool) -> dict[str, int]:
    """Rows of every view that is keyed by the member, alone or with others, by view; their event logs go too."""
    from feature_repo.stores.online.bulk import rows_of

    rows, key = rows_of(store), spec.nodes[spec.impressions.member.node].key
    erased: dict[str, int] = {}
    for view in store.list_feature_views():
        layout = layout_of(view)
        if key not in {one.name for one in layout.keys}:
            continue
        keys = _keys(rows, store.project, layout, key, member)
        erased[view.name] = sum(not is_log(one) for one in keys)
        if not dry_run:
            rows.remove(keys)
    return erased


def _keys(rows: RowStore, project: str, layout: Layout, key: str, member: int | str) -> list[bytes]:
    """Keys of the member's rows and event logs of a view."""
    if len(layout.keys) == 1:
        alone = row_key(project, layout.view, [member])
        both = [alone, log_key(alone)]
        return [one for one, row in zip(both, rows.read(both), strict=True) if row is not None]
    prefix, place = view_prefix(project, layout.view), [one.name for one in layout.keys].index(key)
    part = key_part(member, True)
    found = rows.dump(prefix if place else prefix + part)
    return [one for one, _ in found if parts_of(one, prefix)[place : place + 1] == [part]]


def _run_in_progress(store: Any) -> str:
    held = notes_of(store).read(lease.NOTE) or {}
    return str(held.get("owner", "")) if held.get("until", 0) > now() else ""
