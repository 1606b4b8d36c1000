"""The lease of a run: taken by the steps that change its project, renewed while one works, then kept or given back."""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Literal

from components.services import EMBEDDED, Services
from feature_repo import lease
from feature_repo.notes import Notes, NotesError
from feature_repo.store import open_notes
from models.clock import now, readable
from models.time_units import SECOND

Use = Literal["keep", "give back"]
"""What becomes of the lease after a step that succeeds. After one that fails the run keeps it, for the step's retry."""
SECONDS = 1800.0
"""How long a lease is held without being renewed: longer than a pod may have to wait for its node."""
HELD_SECONDS = 600.0
"""How long a step waits for another run's lease: most runs hold it for minutes, and a pod that waits keeps its CPUs."""
SILENT_SECONDS = 60.0
"""How long a step tries while the online store is silent: longer than a restart takes. KFP then tries it again."""
_PAUSE = 2.0
_log = logging.getLogger("components.lease")


def notes_of_run(services: Services, product: str) -> Notes:
    """The notes of a run's project, in its online store."""
    state = services.folder if services.target == EMBEDDED else None
    return open_notes(Path(services.feature_store), state, services.project(product))


class Renewal(AbstractContextManager["Renewal"]):
    """Calls ``renew`` six times in the time that ``what`` is held, as long as the block works.

    What fails for now, such as a silent store, is tried again. Where another run has the lease, that is said once.
    """

    def __init__(self, renew: Callable[[], object], what: str = "the lease", at_once: bool = False) -> None:
        self._renew, self._what, self._at_once = renew, what, at_once
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="renewal")

    def __enter__(self) -> "Renewal":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()  # a call that ends later would hold again what is given back

    def _run(self) -> None:
        while self._at_once or not self._done.wait(SECONDS / 6):
            self._at_once = False
            try:
                self._renew()
            except lease.LeaseError as error:
                _log.warning("%s. This run writes nothing more", error)
                return
            except Exception as error:  # whatever it is, the step goes on, and would be overtaken
                _log.warning("%s could not be renewed, it is tried again: %s", self._what, error)


class RunLease(AbstractContextManager["RunLease"]):
    """The lease of a run's project for the time of one step, and afterwards too unless it is given back.

    Waits up to ``HELD_SECONDS`` for another run, and up to ``SILENT_SECONDS`` for the store; then it raises LeaseError
    or NotesError. On this machine the state folder's lock lets one run at a time begin, so the lease is taken from a
    run that was killed. ``clock`` gives the time, microseconds UTC, and ``pause`` waits for some seconds.
    """

    held: lease.Lease

    def __init__(
        self,
        services: Services,
        product: str,
        use: Use = "keep",
        clock: lease.Clock = now,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._services, self._product, self._use = services, product, use
        self._clock, self._pause = clock, pause
        self._renewal = Renewal(lambda: lease.renew(self._notes, self.held, SECONDS))

    def __enter__(self) -> "RunLease":
        self._notes = notes_of_run(self._services, self._product)
        self.held = self._taken()
        self._renewal.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._renewal.__exit__(kind, error, trace)
        if kind is None and self._use == "give back":
            release(self._services, self._product)

    def check(self) -> None:
        """Raise LeaseError if another run has taken the lease, NotesError if the store does not respond."""
        lease.check(self._notes, self.held)

    def _taken(self) -> lease.Lease:
        """Take the lease, or wait for it. The two times are counted apart: a store may fall silent during a wait."""
        waits_until = silent_until = 0
        force = self._services.target == EMBEDDED
        while True:
            try:
                return lease.acquire(self._notes, self._services.run, SECONDS, force, self._clock)
            except lease.HeldError as error:
                silent_until = 0
                if not waits_until:
                    waits_until = self._clock() + round(HELD_SECONDS * SECOND)
                    _log.info("waits for run %s and its lease, at most until %s", error.owner, readable(waits_until))
                if self._clock() >= waits_until:
                    raise
            except NotesError:
                silent_until = silent_until or self._clock() + round(SILENT_SECONDS * SECOND)
                if self._clock() >= silent_until:
                    raise
            self._pause(_PAUSE)


def release(services: Services, product: str) -> None:
    """Give the run's lease back; nothing if it has none. If the store is silent, the lease ends by itself."""
    try:
        lease.release(notes_of_run(services, product), services.run)
    except NotesError as error:
        _log.warning("the lease could not be given back and ends in %.0f minutes: %s", SECONDS / 60, error)


def renew_action(services: Services, product: str) -> None:
    """Hold the action of a run for half an hour more; nothing if it has begun none. Raises NotesError, ActionError."""
    from monitoring.action import renew

    renew(notes_of_run(services, product), services.run)
