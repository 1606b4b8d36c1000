"""Ranking runtime: from a request's payload to its result in three stages, independent of the server around it.

The stages are read (parse, read the online store), score (the model) and respond (calibrate, apply rules, rank, log).
Requests pass one of two queues (``serving.server.admission``), those with ``explain`` their own; one deadline holds for
all three stages.
"""

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from serving.errors import OverloadedError, RequestError, UnavailableError
from serving.ranking.batching import Batching
from serving.ranking.keys import Key
from serving.ranking.reader import OnlineFeatures
from serving.ranking.request import RankingRequest, RequestParser
from serving.ranking.scorer import SlateInputs
from serving.ranking.service import RankingService
from serving.ranking.slate import Reasons, Slate, SlateIds
from serving.server import metrics
from serving.server.admission import Admission
from serving.server.request_headers import deadline, request_id
from serving.server.served_log import ServedLog
from serving.server.slate_counts import count
from serving.server.tensors import TensorSchema
from serving.settings.limits import Limits
from serving.untrusted import quoted

if TYPE_CHECKING:
    from kserve import InferRequest, InferResponse

_RETRY_SECONDS = 0.5
_POPULAR_ITEMS = 20
_WAITING_EXPLAINS = 3
"""Requests with ``explain`` that may wait while another is processed."""
_From = TypeVar("_From")
_To = TypeVar("_To")
_logger = logging.getLogger("heliograph")
Headers = Mapping[str, str]
"""By lower-case name."""
_arrived: ContextVar[float] = ContextVar("arrived")
"""When the task's request came, seconds of the monotonic clock. KServe passes nothing of ours to the first stage."""


@dataclass(frozen=True)
class PendingSlate:
    """One slate between the stages."""

    request: RankingRequest
    online: OnlineFeatures | None
    """None: the store did not respond in time."""
    inputs: SlateInputs | None
    """Of the model; None where ``online`` is None."""
    logits: np.ndarray | None = None
    """(C, T) float32, once scored."""
    reasons: Reasons | None = None


@dataclass(frozen=True)
class PendingCall:
    """One call between the stages."""

    request_id: str
    id: str
    """UUID of our own: callers choose and repeat theirs."""
    tensors: "InferRequest | None"
    """The request of the v2 protocol; None for a v1 document."""
    slates: tuple[PendingSlate, ...]
    arrived: float
    """When it came, before the queue, in seconds of the monotonic clock."""


class RankingRuntime:
    """Serves v1 documents and v2 tensors with one ranking service. It belongs to one event loop."""

    def __init__(self, name: str, service: RankingService, log: ServedLog, limits: Limits) -> None:
        self.name = name
        self.tensors = TensorSchema(service.spec)
        self.ready = False
        """Whether the store has responded once; earlier requests are ranked by popularity."""
        self._service, self._log, self._limits = service, log, limits
        self._parser = RequestParser(service.spec, limits)
        self._admission = Admission(limits)
        # Explanations are slow: one at a time, without blocking the requests that want none.
        self._explain_admission = Admission(replace(limits, concurrent=1, waiting=_WAITING_EXPLAINS))
        self._batching = Batching(service.scorer)
        self._explain_thread = ThreadPoolExecutor(1, thread_name_prefix="explain")
        self._store_is_up = True
        self._warned_of_rows_ahead = False

    @property
    def popular_items(self) -> list[Key]:
        """Keys of up to 20 items that were shown most often in the training data, as examples."""
        return self._service.prior.most_shown(_POPULAR_ITEMS)

    async def start(self) -> None:
        """Read from the store until it has responded once; then the runtime is ``ready``."""
        while await self._read_store(self._service.unknown()) is None:
            await asyncio.sleep(_RETRY_SECONDS)
        self.ready = True

    async def predict(self, document: object, headers: Headers | None = None) -> dict[str, Any]:
        """The response to a v1 document. Raises RequestError, OverloadedError, UnavailableError."""
        response: dict[str, Any] = await self._all_stages(document, headers or {})
        return response

    async def infer(self, request: "InferRequest", headers: Headers | None = None) -> "InferResponse":
        """The response to v2 tensors (REST or gRPC). Raises RequestError, OverloadedError, UnavailableError."""
        return await self._all_stages(request, headers or {})

    async def _all_stages(self, payload: Any, headers: Headers) -> Any:
        async with self.admitted(payload, headers):
            return await self.respond(await self.score(await self.read(payload, headers)))

    @asynccontextmanager
    async def admitted(self, payload: Any, headers: Headers) -> AsyncIterator[None]:
        """Run the three stages inside the block, after the queue and within the deadline.

        Raises RequestError for an invalid deadline, OverloadedError if the queue is full or too slow, and
        UnavailableError after the deadline.
        """
        _arrived.set(monotonic())
        seconds = deadline(headers, self._limits.deadline_seconds)
        admission = self._explain_admission if wants_reasons(payload) else self._admission
        try:
            async with asyncio.timeout(seconds), admission.admit():
                yield
        except OverloadedError:
            metrics.refused().labels("overloaded").inc()
            raise
        except TimeoutError:
            metrics.refused().labels("late").inc()
            raise UnavailableError(f"expected store and model to respond within {seconds:g} s; they did not") from None

    async def read(self, payload: Any, headers: Headers) -> PendingCall:
        """Stage one: parse the payload and read the online store. Raises RequestError."""
        arrived = _arrived.get(None) or monotonic()
        with metrics.stage_seconds().labels("preprocess").time():
            tensors, given_id = (None, None) if isinstance(payload, dict | list) else (payload, payload.id)
            requests = self._parser.parse(payload) if tensors is None else [self._parse_tensors(payload)]
            slates = await _concurrently(self._read_slate, requests)
            return PendingCall(request_id(headers, given_id), str(uuid.uuid4()), tensors, tuple(slates), arrived)

    async def score(self, call: PendingCall) -> PendingCall:
        """Stage two: one pass of the model over every slate, off the event loop, which has health checks to serve."""
        with metrics.stage_seconds().labels("predict").time():
            return replace(call, slates=tuple(await _concurrently(self._score_slate, call.slates)))

    async def respond(self, call: PendingCall) -> Any:
        """Stage three: calibrate, apply the business rules, rank, explain if requested, log.

        Returns the document of the v1 protocol, or the ``InferResponse`` of the v2 protocol.
        """
        with metrics.stage_seconds().labels("postprocess").time():
            pending = await _concurrently(self._explain_slate, call.slates)
            ids = (SlateIds(call.request_id, call.id, number) for number in range(len(pending)))
            ranked = list(map(self._ranked, ids, pending))
            latency = monotonic() - call.arrived
            slates = [replace(slate, latency=latency) for slate in ranked]
            for slate in slates:
                count(slate)
                if slate.rows_ahead:
                    self._warn_of_rows_ahead(slate.rows_ahead)
                self._log.write(slate)
            if call.tensors is None:
                return {"predictions": [slate.to_json() for slate in slates]}
            return self.tensors.response(call.tensors, self.name, slates[0])

    def close(self) -> None:
        """Stop the threads; the served log writes what is queued."""
        self._batching.close()
        self._explain_thread.shutdown(cancel_futures=True)
        self._log.close()

    def _parse_tensors(self, request: "InferRequest") -> RankingRequest:
        version = self._service.version
        if request.model_version and request.model_version != version:
            raise RequestError(f"model_version: expected {version} or none; found {quoted(request.model_version)}")
        self.tensors.check_outputs(request)
        return self._parser.parse_instance(self.tensors.instance(request))

    async def _read_slate(self, request: RankingRequest) -> PendingSlate:
        online = await self._read_store(request)
        inputs = None if online is None else self._service.inputs(request, online)
        return PendingSlate(request, online, inputs)

    async def _read_store(self, request: RankingRequest) -> OnlineFeatures | None:
        """The store's features; None, logged once per outage, if it does not respond in time."""
        try:
            online = await self._service.reader.read(request)
        except UnavailableError as error:
            if self._store_is_up:
                _logger.warning(
                    "the online store does not respond, slates are ranked by popularity: %r", error.__cause__
                )
            self._store_is_up = False
            return None
        if not self._store_is_up:
            _logger.warning("the online store responds again")
        self._store_is_up = True
        return online

    async def _score_slate(self, slate: PendingSlate) -> PendingSlate:
        if slate.inputs is None:
            return slate
        return replace(slate, logits=await self._batching.logits(slate.inputs))

    async def _explain_slate(self, slate: PendingSlate) -> PendingSlate:
        if slate.inputs is None or slate.online is None or not slate.request.explain:
            return slate
        loop = asyncio.get_running_loop()
        explain, pause = self._service.explain, self._batching.await_quiet
        reasons = await loop.run_in_executor(self._explain_thread, explain, slate.inputs, slate.online, pause)
        return replace(slate, reasons=reasons)

    def _ranked(self, ids: SlateIds, slate: PendingSlate) -> Slate:
        if slate.online is None or slate.inputs is None or slate.logits is None:
            return self._service.popular(ids, slate.request)
        return self._service.slate(ids, slate.request, slate.online, slate.inputs, slate.logits, slate.reasons)

    def _warn_of_rows_ahead(self, rows: int) -> None:
        if not self._warned_of_rows_ahead:  # once per process, not per request
            _logger.warning(
                "%d rows of the online store are ahead of the clock and ignored: `python -m feature_repo repair` "
                "removes them, unless this machine's clock is behind",
                rows,
            )
            self._warned_of_rows_ahead = True


def wants_reasons(payload: Any) -> bool:
    """Whether any instance or tensor of a payload requests an explanation. The payload is not validated yet."""
    if isinstance(payload, dict | list):
        instances = payload.get("instances") if isinstance(payload, dict) else None
        return isinstance(instances, list) and any(isinstance(one, dict) and one.get("explain") for one in instances)
    return any(tensor.name == "explain" and any(tensor._raw_data or tensor.data or ()) for tensor in payload.inputs)


async def _concurrently(step: Callable[[_From], Awaitable[_To]], items: Sequence[_From]) -> list[_To]:
    """Apply a step to each item; a single one needs no task."""
    if len(items) == 1:
        return [await step(items[0])]
    return await asyncio.gather(*map(step, items))
