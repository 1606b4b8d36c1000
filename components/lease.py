"""The lease of a run that changes what serves: taken by each of its steps, renewed while one works, then released."""

import logging
import threading
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType

from components.services import EMBEDDED, Services
from feature_repo import lease
from feature_repo.notes import Notes, NotesError
from feature_repo.store import open_notes, project_of

SECONDS = 1800.0
"""How long a lease is held without being renewed: longer than a pod may have to wait for its node."""
_log = logging.getLogger("components")


def notes_of_run(services: Services, product: str) -> Notes:
    """The notes of the product, or of its scratch project, in the online store of a run."""
    state = services.folder if services.target == EMBEDDED else None
    return open_notes(Path(services.feature_store), state, project_of(product, services.scratch))


def needs_lease(services: Services) -> bool:
    """Whether a run changes what serves: every pipeline that does not only look."""
    return bool(services.pipeline) and not services.scratch


class RunLease(AbstractContextManager[lease.Lease]):
    """The lease of a run for the time of one step; it stays with the run afterwards.

    Raises LeaseError if another run has it, NotesError if the store does not respond. On this machine the state
    folder's lock lets one run at a time begin, so it is taken from a run that was killed.
    """

    def __init__(self, services: Services, product: str) -> None:
        self._services, self._product = services, product
        self._done = threading.Event()

    def __enter__(self) -> lease.Lease:
        self._notes = notes_of_run(self._services, self._product)
        force = self._services.target == EMBEDDED
        self._lease = lease.acquire(self._notes, self._services.run, SECONDS, force)
        threading.Thread(target=self._renew, daemon=True, name="lease").start()
        return self._lease

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()

    def _renew(self) -> None:
        while not self._done.wait(SECONDS / 6):
            try:
                lease.renew(self._notes, self._lease, SECONDS)
            except NotesError as error:
                _log.warning("the lease could not be renewed, it is tried again: %s", error)
            except lease.LeaseError as error:
                _log.warning("%s. This run writes nothing more", error)
                return


def release(services: Services, product: str) -> None:
    """Give the run's lease back, at its end; nothing if it has none."""
    if needs_lease(services):
        lease.release(notes_of_run(services, product), services.run)
