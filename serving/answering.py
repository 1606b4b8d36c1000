"""From a protocol's payload to its answer: checks, ranks off the event loop within the deadline, counts, logs."""

import asyncio
import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Any

from serving.errors import RequestError, UnavailableError
from serving.request import Limits, RankingRequest, RequestParser
from serving.served import ServedLog
from serving.service import RankingService
from serving.slate import Slate
from serving.tensors import TensorNames

if TYPE_CHECKING:
    from kserve import InferRequest, InferResponse
    from prometheus_client import Counter

_THREADS = 4


class Answering:
    """Answers v1 documents and v2 tensors with one ranking service; knows no server."""

    def __init__(self, name: str, service: RankingService, log: ServedLog, limits: Limits) -> None:
        self.name = name
        self.tensors = TensorNames(service.spec)
        self._service, self._log, self._limits = service, log, limits
        self._parser = RequestParser(service.spec, limits)
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="rank")

    async def document(self, document: object) -> dict[str, Any]:
        """Answer a v1 document. Raises RequestError, UnavailableError."""
        slates = await self._rank(self._parser.parse(document))
        return {"predictions": [slate.to_json() for slate in slates]}

    async def infer(self, request: "InferRequest") -> "InferResponse":
        """Answer the tensors of a v2 or gRPC request. Raises RequestError, UnavailableError."""
        version = self._service.version
        if request.model_version and request.model_version != version:
            raise RequestError(f"model_version: expected {version} or none; found {request.model_version!r:.60}")
        instance = self._parser.parse_instance(self.tensors.instance(request))
        self.tensors.check_outputs(request)
        (slate,) = await self._rank([instance])
        return self.tensors.response(request, self.name, request.id or str(uuid.uuid4()), slate)

    def close(self) -> None:
        """Stop the threads; what waits for the served log is written."""
        self._pool.shutdown(cancel_futures=True)
        self._log.close()

    async def _rank(self, requests: list[RankingRequest]) -> list[Slate]:
        seconds = self._limits.read_seconds
        try:
            async with asyncio.timeout(seconds):
                slates = list(await asyncio.gather(*map(self._slate, requests)))
        except TimeoutError:
            raise UnavailableError(f"expected store and model to answer within {seconds:g} s; they did not") from None
        for slate in slates:
            self._count(slate)
            self._log.write(slate)
        return slates

    async def _slate(self, request: RankingRequest) -> Slate:
        """Read, then score in a thread: the model must not stop the health checks."""
        state = await self._service.reader.read(request)
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._service.rank, request, state)

    def _count(self, slate: Slate) -> None:
        cold = slate.member_cold + sum(ranked.cold for ranked in slate.items)
        vectors = _vectors()
        vectors.labels("used").inc(1 + len(slate.items) - cold)
        vectors.labels("cold").inc(cold)
        vectors.labels("of_another_version").inc(slate.foreign_vectors)


@cache
def _vectors() -> "Counter":
    """The process's one counter, shown at /metrics."""
    from prometheus_client import Counter

    return Counter("heliograph_vectors", "Vectors by what became of them", ["fate"])
