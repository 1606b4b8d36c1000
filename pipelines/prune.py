"""Prune: remove versions, artifacts, logs and scratch that nothing needs any more.

What names something goes before its bytes, so that nothing ever names bytes that are gone: a call that is killed leaves
files without a name at most, which the next call removes. Everything that an alias, the slot table, an endpoint or the
applied features name stays; so does what a run in progress may read: in a state folder none runs meanwhile, on a
cluster the versions and artifacts of runs that have not ended stay.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from feature_repo import lease
from feature_repo.lease import Lease
from feature_repo.notes import Notes
from feature_repo.slots import read_slots
from models.served import model_of
from monitoring.old_runs import old_runs, remove_run_artifacts, runs_in_progress
from pipelines.prune_files import OldFiles, old_checkpoints, old_jobs, old_state_files
from serving.versions.old_versions import OldVersion, OldVersions

KEEP = 5
"""Versions that stay besides those that something names."""
DAYS = 30
SECONDS = 1800.0
"""For how long the lease is held at most after a removal, while a cluster is pruned."""


@dataclass(frozen=True)
class Place:
    """What is pruned: one product of a state folder, or of a cluster."""

    product: str
    tracking_uri: str
    storage: str
    notes: Notes
    """Of the product's project."""
    served: frozenset[str]
    """Versions of an endpoint that is up, and the one that it would roll back to."""
    tables: tuple[str, ...] = ()
    """Addresses of all applied tables."""
    state: Path | None = None
    """None on a cluster."""
    lease: Lease | None = None
    """The product's, on a cluster; None for a dry run."""


@dataclass(frozen=True)
class Pruned:
    """One thing that was removed, or would be."""

    kind: str
    name: str
    size: int
    """In bytes."""
    remove: Callable[[], object]
    """Removes it; False if it had to stay after all."""


def prune(place: Place, keep: int, before: int) -> Iterator[Pruned]:
    """What may go, in the order in which it has to be removed.

    ``keep``: how many of the newest versions stay besides those that something names; ``before``: artifacts, logs and
    scratch stay if they are newer than that time, microseconds UTC. Raises NotesError, LedgerError.
    """
    name = model_of(place.product)
    running = runs_in_progress(place.tracking_uri, place.product) if place.state is None else frozenset()
    in_slots = {version for slot in read_slots(place.notes).values() for version in slot.versions}
    versions = OldVersions(place.tracking_uri, name, keep, {*place.served, *in_slots}, running)
    going = versions.find()
    runs = running.union(versions.stay(going).values())
    for one in [*going, *versions.bundles(place.product, before)]:
        yield _version(versions, name, one)
    for run in old_runs(place.tracking_uri, place.product, before, runs):
        yield Pruned("artifacts of a run", run.name, run.size, partial(remove_run_artifacts, place.tracking_uri, run))
    files = old_checkpoints(place.storage, place.product, before) + old_jobs(place.storage, place.product, before)
    if place.state is not None:
        files += old_state_files(place.state, before, runs, place.tables, place.served)
    for found in files:
        yield _files(found)


def remove(place: Place, one: Pruned) -> bool:
    """Remove one thing; False if it had to stay. Raises LeaseError, before, if another run took the lease meanwhile."""
    if place.lease is not None:
        lease.renew(place.notes, place.lease, SECONDS)
    return one.remove() is not False


@contextmanager
def held(notes: Notes) -> Iterator[Lease]:
    """Hold the product's lease, so that no run changes what serves meanwhile. Raises LeaseError if one does."""
    owner = f"prune-{secrets.token_hex(4)}"  # so that two prunes do not hold it together
    held = lease.acquire(notes, owner, SECONDS)
    try:
        yield held
    finally:
        lease.release(notes, owner)


def _version(versions: OldVersions, name: str, one: OldVersion) -> Pruned:
    kind, shown = ("version", f"{name} version {one.version}") if one.version else ("bundle", f"run {one.run_id}")
    return Pruned(kind, shown, one.size, partial(versions.remove, one))


def _files(found: OldFiles) -> Pruned:
    return Pruned(found.kind, found.address, found.size, found.remove)
