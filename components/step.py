"""The context manager of every component: reads the spec, records the step, prints progress and failure."""

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import models.garbage  # noqa: F401 - first: what follows is imported faster
from components.services import ACT, EMBEDDED, Services
from models.system import is_ours, system_error

if TYPE_CHECKING:
    from components.lease import RunLease, Use
    from feature_repo.lease import Lease
    from feature_repo.notes import Notes
    from models.spec import Spec
    from monitoring.ledger import Ledger

LINE_PREFIX = "| "
"""Prefix of lines that a local run shows on the terminal; a component's other output goes to the log only."""
UNEXPECTED = "an unexpected error; the end of the log:"
SPEC = "spec"
"""Name of the ledger's note that holds the run's spec."""


def say(text: str) -> None:
    """Print a line that a local run shows on the terminal."""
    print(f"{LINE_PREFIX}{text}", flush=True)


class Step(AbstractContextManager["Step"]):
    """Context of one component's run: gives ``spec``, ``ledger`` and ``services``; records seconds and failure.

    Takes the artifact that holds the spec (``components.specs``). The ledger keeps the spec for the report. A step that
    changes the online store, Feast's registry or what serves, or that must find them unchanged, says with ``lease``
    what its run does with the project's lease (``components.lease``), or with a function that tells it by the spec; of
    the others only ``ingest`` needs the online store. Every step of the pipeline `act` renews the run's action, so that
    no other run goes on with it, however long this one trains. Components import what they need inside of it, so that a
    package which an image lacks is recorded as the step's error. Raises ServicesError if no run is named
    (``Services.of``).
    """

    spec: "Spec"
    ledger: "Ledger"

    def __init__(
        self,
        name: str,
        spec: Any,
        services: dict[str, Any],
        lease: "Use | Callable[[Spec], Use | None] | None" = None,
    ) -> None:
        self.name = name
        self.services = Services.of(services)
        self._artifact, self._use = spec, lease
        self._lease: RunLease | None = None

    def __enter__(self) -> "Step":
        from components.specs import read_spec
        from monitoring.ledger import Ledger

        end_with_runner()
        _log_to_stdout()
        say(f"{self.name}: started")
        self._started = time.monotonic()
        try:
            self.spec = read_spec(self._artifact)
            where = self.services
            self.ledger = Ledger(where.tracking_uri, where.run, self.spec.name, where.pipeline)
            if not self.ledger.has(SPEC):
                self.ledger.note(SPEC, self.spec.model_dump(mode="json", by_alias=True))
            with ExitStack() as held:
                held.enter_context(self.ledger.step(self.name))  # first, so that the report shows who has the lease
                if where.pipeline == ACT:
                    held.enter_context(self._renewed_action())
                use = self._use(self.spec) if callable(self._use) else self._use
                if use is not None:
                    held.enter_context(self.leased(use))
                self._held = held.pop_all()
        except Exception as error:
            self._print_failure(error)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._held.__exit__(kind, error, trace)
        except Exception as unwritten:  # the ledger cannot be written
            self._print_failure(error or unwritten)
            raise
        if error is None:
            say(f"{self.name}: done in {time.monotonic() - self._started:.1f} s")
        else:
            self._print_failure(error)

    @contextmanager
    def leased(self, use: "Use") -> Iterator[None]:
        """Hold the lease of the run's project within a step that needs it only for a part of its time."""
        from components.lease import RunLease

        with RunLease(self.services, self.spec.name, use) as self._lease:
            yield
        self._lease = None

    def _renewed_action(self) -> AbstractContextManager[Any]:
        from components.lease import Renewal, renew_action

        return Renewal(lambda: renew_action(self.services, self.spec.name), "the action", at_once=True)

    def open_store(self) -> Any:
        """Open the Feast store of this run's services."""
        from feature_repo.store import open_store

        return open_store(Path(self.services.feature_store), self.state, self.services.project(self.spec.name))

    def open_notes(self) -> "Notes":
        """Open the notes of that store, without Feast."""
        from components.lease import notes_of_run

        return notes_of_run(self.services, self.spec.name)

    @property
    def lease(self) -> "Lease | None":
        """What the step shows when it writes; None if it takes no lease."""
        return None if self._lease is None else self._lease.held

    def check_lease(self) -> None:
        """Raise LeaseError if another run has taken this one's lease: just before what cannot check it itself."""
        if self._lease is not None:
            self._lease.check()

    @property
    def state(self) -> Path | None:
        """The state folder on this machine; None on a cluster."""
        return self.services.folder if self.services.target == EMBEDDED else None

    def _print_failure(self, error: BaseException) -> None:
        """Print the error. If it is neither ours nor the system's, ``UNEXPECTED`` makes the terminal show its trace."""
        seconds, message = time.monotonic() - self._started, system_error(error)
        expected = message is not None or is_ours(error)
        found = " ".join((message or str(error)).split())  # of several lines the terminal would show the first
        say(f"{self.name}: FAILED after {seconds:.1f} s: {type(error).__name__}: {found}")
        if not expected:
            say(f"{self.name}: {UNEXPECTED}")


def _log_to_stdout() -> None:
    """Show log lines of our packages on the terminal; warnings of other libraries go to the log file only."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter(f"{LINE_PREFIX}  %(message)s"))
    for package in ("components", "feature_repo", "models", "serving", "monitoring"):
        logger = logging.getLogger(package)
        logger.handlers = [handler]
        logger.setLevel(logging.INFO)
        logger.propagate = False


def end_with_runner() -> None:
    """End this process when the one that HELIOGRAPH_RUNNER names is gone: components with their run, so that they do
    not write during the next one, and a scheduled run with its scheduler.
    """
    runner = os.environ.get("HELIOGRAPH_RUNNER")
    if runner is None:
        return

    def watch() -> None:
        while True:
            try:
                os.kill(int(runner), 0)  # signal 0 only checks that the process exists
            except ProcessLookupError:
                os._exit(1)
            time.sleep(0.2)

    threading.Thread(target=watch, daemon=True, name="end-with-runner").start()
