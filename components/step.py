"""What every component does around its one call: read the spec, write the run's ledger, say what happens."""

import logging
import os
import sys
import threading
import time
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any

from components.services import Services
from models.system import system_error

if TYPE_CHECKING:
    from models.spec import Spec
    from monitoring.ledger import Ledger

SAID = "| "
"""Prefix of lines meant for the person at the terminal; the rest of a component's output is for the log."""
SURPRISE = "an error that was not foreseen; the end of the log:"
_PACKAGES = ("components", "feature_repo", "models", "monitoring", "pipelines", "serving")


SPEC = "spec"
"""The ledger's note of the run's spec."""


def say(text: str) -> None:
    """Print a line for the person at the terminal."""
    print(f"{SAID}{text}", flush=True)


class Step(AbstractContextManager["Step"]):
    """One component's run: ``spec``, ``ledger`` and ``services`` inside; seconds and failure go to the ledger.

    ``spec``: the artifact that holds it (``components.specs``). The ledger keeps it for the report.
    """

    spec: "Spec"
    ledger: "Ledger"

    def __init__(self, name: str, spec: Any, services: dict[str, Any]) -> None:
        self.name = name
        self.services = Services(**services)
        self._artifact = spec

    def __enter__(self) -> "Step":
        from components.specs import read_spec
        from monitoring.ledger import Ledger

        _end_with_runner()
        _log_to_stdout()
        say(f"{self.name}: started")
        self._started = time.monotonic()
        try:
            self.spec = read_spec(self._artifact)
            self.ledger = Ledger(self.services.tracking_uri, self.services.run, experiment=self.spec.name)
            if not self.ledger.has(SPEC):
                self.ledger.note(SPEC, self.spec.model_dump(mode="json", by_alias=True))
            self._entry = self.ledger.step(self.name)
            self._entry.__enter__()
        except Exception as error:
            self._say_failed(error)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._entry.__exit__(kind, error, trace)
        except Exception as unwritten:  # the ledger's own
            self._say_failed(error or unwritten)
            raise
        if error is None:
            say(f"{self.name}: done in {time.monotonic() - self._started:.1f} s")
        else:
            self._say_failed(error)

    def _say_failed(self, error: BaseException) -> None:
        """What was wrong; of an error that nobody foresaw, the terminal shows the trace too (``SURPRISE``)."""
        seconds, said = time.monotonic() - self._started, system_error(error)
        foreseen = said is not None or type(error).__module__.partition(".")[0] in _PACKAGES
        say(f"{self.name}: FAILED after {seconds:.1f} s: {type(error).__name__}: {said or error}")
        if not foreseen:
            say(f"{self.name}: {SURPRISE}")


def _log_to_stdout() -> None:
    """Our packages' log lines are for the person, others' warnings are for the log file."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter(f"{SAID}  %(message)s"))
    for package in ("feature_repo", "models", "serving", "monitoring"):
        logger = logging.getLogger(package)
        logger.handlers = [handler]
        logger.setLevel(logging.INFO)
        logger.propagate = False


def _end_with_runner() -> None:
    """A component of a local run ends when the runner is killed: it must not write while the next run does."""
    runner = os.environ.get("HELIOGRAPH_RUNNER")
    if runner is None:
        return

    def watch() -> None:
        while True:
            try:
                os.kill(int(runner), 0)  # asks only whether it is there
            except ProcessLookupError:
                os._exit(1)
            time.sleep(0.2)

    threading.Thread(target=watch, daemon=True, name="end-with-runner").start()
