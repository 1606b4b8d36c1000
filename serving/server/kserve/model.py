"""KServe's Model around the ranking runtime."""

from collections.abc import Mapping
from typing import Any

from kserve import Model

from serving.server.ranking_runtime import PendingCall, RankingRuntime


class RankingModel(Model):
    """Runs the runtime's stages as KServe's preprocess, predict and postprocess. Raises the errors of the runtime.

    KServe calls the three one after another; together they have one place in the queue and one deadline.
    """

    def __init__(self, runtime: RankingRuntime) -> None:
        super().__init__(runtime.name)
        self._runtime = runtime
        self.ready = self.engine = True

    async def __call__(self, body: Any, headers: Any = None, verb: Any = None) -> Any:
        """The result and headers for the response."""
        async with self._runtime.admitted(body, headers or {}):
            return await super().__call__(body, headers or {})

    async def result(self, payload: Any, headers: Mapping[str, str]) -> Any:
        """The result of a v1 document or of v2 tensors (``serving.server.fast_path.Predict``)."""
        return (await self(payload, headers))[0]

    def validate(self, payload: Any) -> Any:
        """The payload unchanged: the first stage has validated it."""
        return payload

    async def preprocess(self, payload: Any, headers: Any = None) -> PendingCall:
        """Parse the payload and read the store."""
        return await self._runtime.read(payload, headers)

    async def predict(self, payload: PendingCall, headers: Any = None, response_headers: Any = None) -> PendingCall:
        """Score every slate in one pass."""
        return await self._runtime.score(payload)

    async def postprocess(self, result: PendingCall, headers: Any = None, response_headers: Any = None) -> Any:
        """Calibrate, apply the rules, rank, log."""
        return await self._runtime.respond(result)

    async def start_engine(self) -> None:
        """Read from the store for the first time; KServe awaits this while its servers run."""
        await self._runtime.start()

    def get_input_types(self) -> list[dict[str, Any]]:
        """Input tensors of the v2 protocol."""
        return self._runtime.tensors.input_metadata()

    def get_output_types(self) -> list[dict[str, Any]]:
        """Output tensors of the v2 protocol."""
        return self._runtime.tensors.output_metadata()
