"""KServe's extension points, filled in: the model, the decoding, the repository, and the form of its refusals.

KServe's classes are subclassed inside functions, since importing KServe is slow and only a server needs it.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from serving.errors import OverloadedError, RequestError, UnavailableError
from serving.findings import sentence
from serving.server.ranking_runtime import PendingCall, RankingRuntime
from serving.shown import reason, shown

if TYPE_CHECKING:
    from kserve import Model, ModelRepository
    from kserve.protocol.dataplane import DataPlane
    from kserve.protocol.model_repository_extension import ModelRepositoryExtension


def ranking_model(runtime: RankingRuntime) -> "Model":
    """The model that a KServe server serves; our errors become those that it answers with 400, 429 and 503."""
    from grpc_interceptor.exceptions import ResourceExhausted
    from kserve import Model
    from kserve.errors import InvalidInput, ModelNotReady

    class Unavailable(ModelNotReady):
        """Its gRPC side reads ``reason``, its REST side the text."""

        def __init__(self, reason: str) -> None:
            super().__init__(runtime.name)
            self.reason = self.error_msg = reason

    class RankingModel(Model):
        """KServe calls preprocess, predict and postprocess one after another; all three have one turn and deadline."""

        async def __call__(self, body: Any, headers: Any = None, verb: Any = None) -> Any:
            try:
                return await self.admitted(body, headers or {})
            except RequestError as error:
                raise InvalidInput(str(error)) from None
            except OverloadedError as error:
                raise ResourceExhausted(str(error)) from error
            except UnavailableError as error:
                raise Unavailable(str(error)) from error

        async def admitted(self, body: Any, headers: Any) -> Any:
            """The three stages, and headers for the answer; raises our own errors."""
            async with runtime.admitted(body, headers):
                return await super().__call__(body, headers)

        async def document(self, document: Any, headers: Any) -> Any:
            """A v1 document by the short way (``serving.server.fast_path``); raises our own errors."""
            return (await self.admitted(document, headers))[0]

        def validate(self, payload: Any) -> Any:
            """Nothing: the first stage has."""
            return payload

        async def preprocess(self, payload: Any, headers: Any = None) -> PendingCall:
            """Check what is asked, read the store."""
            return await runtime.read(payload, headers)

        async def predict(self, payload: PendingCall, headers: Any = None, response_headers: Any = None) -> PendingCall:
            """One pass for every slate."""
            return await runtime.score(payload)

        async def postprocess(self, result: PendingCall, headers: Any = None, response_headers: Any = None) -> Any:
            """Calibrate, apply the rules, rank, log."""
            return await runtime.answer(result)

        async def start_engine(self) -> None:
            """KServe awaits this beside its servers: the first read of the store."""
            await runtime.start()

        def get_input_types(self) -> list[dict[str, Any]]:
            """The tensors of the v2 protocol."""
            return runtime.tensors.input_metadata()

        def get_output_types(self) -> list[dict[str, Any]]:
            """The tensors of the v2 protocol."""
            return runtime.tensors.output_metadata()

    model = RankingModel(runtime.name)
    model.ready = model.engine = True
    return model


def checked_data_plane(models: "ModelRepository", ready: Callable[[], bool]) -> "DataPlane":
    """KServe's data plane: whatever its decoding raises means a bad request, and ``ready`` answers the probes."""
    from kserve.errors import InvalidInput, ModelNotFound
    from kserve.protocol.dataplane import DataPlane

    class CheckedDataPlane(DataPlane):
        def decode(self, *arguments: Any, **named: Any) -> Any:
            """The body as a document or tensors."""
            try:
                return super().decode(*arguments, **named)
            except InvalidInput:
                raise
            except Exception as error:
                raise InvalidInput(f"the request could not be read: {type(error).__name__}, {error!s:.300}") from None

        async def ready(self) -> bool:
            """For probes."""
            return ready()

        async def model_ready(self, model_name: str, disable_predictor_health_check: bool = False) -> bool:
            """For probes; a prediction, which asks with ``True``, is made whether the probes are told so or not."""
            self.get_model_from_registry(model_name)
            return disable_predictor_health_check or ready()

        def get_model_from_registry(self, name: str) -> Any:
            """The one model, or the error that repeats no more than the begin of another's name."""
            if (model := self.model_registry.get_model(name)) is None:
                raise ModelNotFound(shown(name))
            return model

        async def get_model(self, name: str) -> Any:
            """As above: the model was loaded when the process began."""
            return self.get_model_from_registry(name)

    return CheckedDataPlane(models)


def fixed_repository(models: "ModelRepository") -> "ModelRepositoryExtension":
    """One model for the life of the process: no request loads or unloads it."""
    from kserve.errors import InvalidInput
    from kserve.protocol.model_repository_extension import ModelRepositoryExtension

    class FixedRepository(ModelRepositoryExtension):
        async def load(self, model_name: str) -> None:
            """Refused."""
            raise InvalidInput("models are not loaded by request: use `python -m serving up`")

        async def unload(self, model_name: str) -> None:
            """Refused."""
            raise InvalidInput("models are not unloaded by request: use `python -m serving down`")

    return FixedRepository(models)


def refuse_plainly(app: Any) -> None:
    """What the handlers raise, answered in one form; a malformed v2 document is 400, as a v1 one is."""
    from fastapi.exceptions import RequestValidationError
    from fastapi.responses import JSONResponse
    from grpc_interceptor.exceptions import ResourceExhausted
    from kserve.errors import InvalidInput, ModelNotFound, ModelNotReady, ServerNotReady
    from starlette.exceptions import HTTPException

    def answers(status: int) -> Callable[[Any, Any], Awaitable[JSONResponse]]:
        async def answer(_: Any, error: Any) -> JSONResponse:
            return JSONResponse({"error": reason(str(error))}, status_code=status)

        return answer

    async def invalid(_: Any, error: Any) -> JSONResponse:
        return JSONResponse({"error": reason(sentence(error.errors()[0]))}, status_code=400)

    async def failed(_: Any, error: Any) -> JSONResponse:
        return JSONResponse({"error": reason(str(error.detail))}, status_code=error.status_code, headers=error.headers)

    async def overloaded(_: Any, error: Any) -> JSONResponse:
        after = {"retry-after": str(error.__cause__.retry_after)}
        return JSONResponse({"error": reason(error.details)}, status_code=429, headers=after)

    for kind, status in ((InvalidInput, 400), (ModelNotFound, 404), (ModelNotReady, 503), (ServerNotReady, 503)):
        app.add_exception_handler(kind, answers(status))
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, failed)
    app.add_exception_handler(ResourceExhausted, overloaded)
    app.router.redirect_slashes = False  # the redirect would repeat the whole address, and the host that was asked for
