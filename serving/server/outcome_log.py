"""Outcomes over HTTP: checked, and kept by a sink before they are answered."""

import asyncio
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import orjson

from feature_repo.outcomes.row import OutcomeError, checked
from models import clock
from models.outcome_parts import FOLDER
from models.spec import Spec
from serving.errors import OverloadedError, RequestError, UnavailableError
from serving.server import metrics
from serving.server.admission import Admission
from serving.server.document import JSON, Body
from serving.server.fast_path import Response
from serving.server.request_headers import deadline
from serving.server.served_log import Sink
from serving.settings.limits import Limits
from serving.untrusted import escaped, quoted

_logger = logging.getLogger("heliograph")


def folder_beside(served: Path) -> Path:
    """The folder of new outcomes, beside that of the served log."""
    return served.parent / FOLDER


class OutcomeLog:
    """Gives outcomes to a sink, in one thread, and responds when it has them.

    So what was answered outlives the process, also one that is killed. It belongs to one event loop.
    """

    def __init__(self, sink: Sink, model: str, spec: Spec, limits: Limits) -> None:
        self._sink, self._limits, self._tasks = sink, limits, tuple(spec.tasks)
        self._shared = {"model": model, "product": spec.name}
        self._admission = Admission(replace(limits, concurrent=1))
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="outcomes")

    async def handle(self, body: Body, headers: Mapping[str, str]) -> Response:
        """The handler of ``POST /v1/models/<name>:outcomes``; all outcomes of a request are kept, or none.

        Raises RequestError for the first row that cannot be used, OverloadedError, and UnavailableError where the sink
        fails or takes too long: then they may be sent again, since an outcome counts once.
        """
        seconds = deadline(headers, self._limits.deadline_seconds)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(seconds), self._admission.admit():
                kept = await loop.run_in_executor(self._thread, self._keep, body)
        except OverloadedError:
            metrics.refused().labels("overloaded").inc()
            raise
        except TimeoutError:
            metrics.refused().labels("late").inc()
            raise UnavailableError(f"expected the disk to take the outcomes within {seconds:g} s; it did not") from None
        return Response(orjson.dumps({"outcomes": kept}), {"content-type": JSON})

    def close(self) -> None:
        """Wait for what is being written, and close the sink."""
        self._thread.shutdown()
        try:
            self._sink.close()
        except OSError as error:  # what was answered is with the operating system
            _logger.warning("outcomes: expected their sink to close; found %r", error)

    def _keep(self, body: Body) -> int:
        rows = body.document.get("outcomes")
        if unknown := next((name for name in body.document if name != "outcomes"), None):
            raise RequestError(f"body: expected the field outcomes; found {escaped(unknown)}")
        if not isinstance(rows, list) or not rows:
            raise RequestError(f"outcomes: expected a list of one or more; found {quoted(rows)}")
        try:
            outcomes = checked(rows, self._tasks, "outcomes", received=False)
        except OutcomeError as error:
            raise RequestError(str(error)) from None
        lines = b"".join(orjson.dumps({**self._shared, **one._asdict()}) + b"\n" for one in outcomes)
        try:
            self._sink.write(lines, clock.now())
        except OSError as error:
            raise UnavailableError("expected the disk to take the outcomes; it did not. Send them again") from error
        return len(outcomes)
