"""From a protocol's payload to its answer, in three stages: read, score, answer. Knows no server.

Requests come in one of two lines (``serving.server.admission``), those that ask for reasons in their own, and have one
deadline over all three stages.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from serving.errors import OverloadedError, RequestError, UnavailableError
from serving.ranking.batching import Batching
from serving.ranking.reader import OnlineFeatures
from serving.ranking.request import Key, RankingRequest, RequestParser
from serving.ranking.scorer import SlateInputs
from serving.ranking.service import RankingService
from serving.ranking.slate import Reasons, Slate
from serving.server import metrics
from serving.server.admission import Admission
from serving.server.request_headers import deadline, request_id
from serving.server.served_log import ServedLog
from serving.server.tensors import TensorNames
from serving.settings.limits import Limits
from serving.shown import shown

if TYPE_CHECKING:
    from kserve import InferRequest, InferResponse

_RETRY_SECONDS = 0.5
_OFFERED = 20
_EXPLAINS_WAITING = 3
"""Requests for reasons that may wait while one is explained."""
_From = TypeVar("_From")
_To = TypeVar("_To")
_logger = logging.getLogger("heliograph")
Headers = Mapping[str, str]
"""By lower-case name."""


@dataclass(frozen=True)
class PendingSlate:
    """One slate on its way."""

    request: RankingRequest
    state: OnlineFeatures | None
    """None: the store did not answer in time."""
    inputs: SlateInputs | None
    logits: np.ndarray | None = None
    """(C, T), once it is scored."""
    reasons: Reasons | None = None


@dataclass(frozen=True)
class PendingCall:
    """One call on its way."""

    request_id: str
    tensors: "InferRequest | None"
    """Given where the answer is in tensors too."""
    parts: tuple[PendingSlate, ...]


class RankingRuntime:
    """Answers v1 documents and v2 tensors with one ranking service. It belongs to one event loop."""

    def __init__(self, name: str, service: RankingService, log: ServedLog, limits: Limits) -> None:
        self.name = name
        self.tensors = TensorNames(service.spec)
        self.ready = False
        """Whether the store has answered once; requests are answered before, too, by popularity."""
        self._service, self._log, self._limits = service, log, limits
        self._parser = RequestParser(service.spec, limits)
        self._admission = Admission(limits)
        # Reasons take long: they are found one request after the other, and take no place of those that ask for none.
        self._explains = Admission(replace(limits, concurrent=1, waiting=_EXPLAINS_WAITING))
        self._batching = Batching(service.scorer)
        self._explaining = ThreadPoolExecutor(1, thread_name_prefix="explain")
        self._store_answers = True
        self._said_ahead = False

    @property
    def most_shown(self) -> list[Key]:
        """Some items that were shown often while the model was trained, for who has no slate at hand."""
        return self._service.prior.most_shown(_OFFERED)

    async def start(self) -> None:
        """Read the store until it has answered once."""
        while await self._state(self._service.unknown()) is None:
            await asyncio.sleep(_RETRY_SECONDS)
        self.ready = True

    async def document(self, document: object, headers: Headers | None = None) -> dict[str, Any]:
        """Answer a v1 document. Raises RequestError, OverloadedError, UnavailableError."""
        answer: dict[str, Any] = await self._answer(document, headers or {})
        return answer

    async def infer(self, request: "InferRequest", headers: Headers | None = None) -> "InferResponse":
        """Answer the tensors of a v2 or gRPC request. Raises RequestError, OverloadedError, UnavailableError."""
        return await self._answer(request, headers or {})

    async def _answer(self, payload: Any, headers: Headers) -> Any:
        async with self.admitted(payload, headers):
            return await self.answer(await self.score(await self.read(payload, headers)))

    @asynccontextmanager
    async def admitted(self, payload: Any, headers: Headers) -> AsyncIterator[None]:
        """A turn, and the deadline, for the three stages that are taken inside. Raises the errors of both."""
        seconds = deadline(headers, self._limits.deadline_seconds)
        line = self._explains if wants_reasons(payload) else self._admission
        try:
            async with asyncio.timeout(seconds), line.place():
                yield
        except OverloadedError:
            metrics.refused().labels("overloaded").inc()
            raise
        except TimeoutError:
            metrics.refused().labels("late").inc()
            raise UnavailableError(f"expected store and model to answer within {seconds:g} s; they did not") from None

    async def read(self, payload: Any, headers: Headers) -> PendingCall:
        """Stage one: check what is asked, read the online store. Raises RequestError."""
        with metrics.stage_seconds().labels("preprocess").time():
            tensors, given = (None, None) if isinstance(payload, dict | list) else (payload, payload.id)
            requests = self._parser.parse(payload) if tensors is None else [self._of_tensors(payload)]
            parts = await _side_by_side(self._part, requests)
            return PendingCall(request_id(headers, given), tensors, tuple(parts))

    async def score(self, asked: PendingCall) -> PendingCall:
        """Stage two: one pass of the model over every slate, off the event loop: it must not stop the health checks."""
        with metrics.stage_seconds().labels("predict").time():
            return replace(asked, parts=tuple(await _side_by_side(self._scored, asked.parts)))

    async def answer(self, asked: PendingCall) -> Any:
        """Stage three: calibrate, apply the business rules, rank, explain where asked, log."""
        with metrics.stage_seconds().labels("postprocess").time():
            parts = await _side_by_side(self._explained, asked.parts)
            slates = [self._slate(asked.request_id, part) for part in parts]
            for number, slate in enumerate(slates):
                self._count(slate)
                self._log.write(slate, number)
            if asked.tensors is None:
                return {"predictions": [slate.to_json() for slate in slates]}
            return self.tensors.response(asked.tensors, self.name, slates[0])

    def close(self) -> None:
        """Stop the threads; what waits for the served log is written."""
        self._batching.close()
        self._explaining.shutdown(cancel_futures=True)
        self._log.close()

    def _of_tensors(self, request: "InferRequest") -> RankingRequest:
        version = self._service.version
        if request.model_version and request.model_version != version:
            raise RequestError(f"model_version: expected {version} or none; found {shown(request.model_version)}")
        self.tensors.check_outputs(request)
        return self._parser.parse_instance(self.tensors.instance(request))

    async def _part(self, request: RankingRequest) -> PendingSlate:
        state = await self._state(request)
        return PendingSlate(request, state, None if state is None else self._service.inputs(request, state))

    async def _state(self, request: RankingRequest) -> OnlineFeatures | None:
        """What the store says; None, told once an outage, where it does not answer in time."""
        try:
            state = await self._service.reader.read(request)
        except UnavailableError as error:
            if self._store_answers:
                _logger.warning(
                    "the online store does not answer, slates are ranked by popularity: %r", error.__cause__
                )
            self._store_answers = False
            return None
        if not self._store_answers:
            _logger.warning("the online store answers again")
        self._store_answers = True
        return state

    async def _scored(self, part: PendingSlate) -> PendingSlate:
        if part.inputs is None:
            return part
        return replace(part, logits=await self._batching.logits(part.inputs))

    async def _explained(self, part: PendingSlate) -> PendingSlate:
        if part.inputs is None or part.state is None or not part.request.explain:
            return part
        loop = asyncio.get_running_loop()
        pause = self._batching.await_quiet
        found = await loop.run_in_executor(self._explaining, self._service.explain, part.inputs, part.state, pause)
        return replace(part, reasons=found)

    def _slate(self, request_id: str, part: PendingSlate) -> Slate:
        if part.state is None or part.inputs is None or part.logits is None:
            return self._service.popular(request_id, part.request)
        return self._service.slate(request_id, part.request, part.state, part.inputs, part.logits, part.reasons)

    def _count_ahead(self, rows: int) -> None:
        metrics.ahead().inc(rows)
        if not self._said_ahead:  # once a process, not once a request
            _logger.warning(
                "%d rows of the online store lie ahead of the clock and are left out: `python -m feature_repo repair` "
                "takes them out, unless this machine's clock is behind",
                rows,
            )
            self._said_ahead = True

    def _count(self, slate: Slate) -> None:
        if slate.fallback:
            metrics.fallbacks().inc()
            return
        if slate.rows_ahead:
            self._count_ahead(slate.rows_ahead)
        cold = slate.member_cold + int(slate.cold.sum())
        metrics.vectors().labels("used").inc(1 + len(slate.items) - cold)
        metrics.vectors().labels("cold").inc(cold)
        metrics.vectors().labels("of_another_version").inc(slate.foreign_vectors)


def wants_reasons(payload: Any) -> bool:
    """Whether a v1 document or tensors ask for reasons anywhere. They are not checked yet: they may hold anything."""
    if isinstance(payload, dict | list):
        instances = payload.get("instances") if isinstance(payload, dict) else None
        return isinstance(instances, list) and any(isinstance(one, dict) and one.get("explain") for one in instances)
    return any(tensor.name == "explain" and any(tensor._raw_data or tensor.data or ()) for tensor in payload.inputs)


async def _side_by_side(step: Callable[[_From], Awaitable[_To]], these: Sequence[_From]) -> list[_To]:
    """What a step makes of each; one alone needs no task of its own."""
    if len(these) == 1:
        return [await step(these[0])]
    return await asyncio.gather(*map(step, these))
