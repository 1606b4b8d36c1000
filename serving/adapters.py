"""KServe's extension points, filled in: the model, the decoding, the repository, and what its log keeps quiet about.

KServe's classes are subclassed inside functions, since importing KServe is slow and only a server needs it.
"""

import logging
import warnings
from typing import TYPE_CHECKING, Any

from serving.answering import Answering
from serving.errors import RequestError, UnavailableError
from serving.listening import address
from serving.request import Limits

if TYPE_CHECKING:
    from kserve import Model, ModelRepository
    from kserve.protocol.dataplane import DataPlane
    from kserve.protocol.model_repository_extension import ModelRepositoryExtension


def ranking_model(answering: Answering) -> "Model":
    """The model that a KServe server serves; our errors become those that KServe answers with 400 and 503."""
    from kserve import InferRequest, Model
    from kserve.errors import InvalidInput, ModelNotReady

    class Unavailable(ModelNotReady):
        """Its gRPC side reads ``reason``, its REST side the text."""

        def __init__(self, reason: str) -> None:
            super().__init__(answering.name)
            self.reason = self.error_msg = reason

    class RankingModel(Model):
        async def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
            """Answer a v1 document or the tensors of a v2 or gRPC request."""
            try:
                if isinstance(payload, InferRequest):
                    return await answering.infer(payload)
                return await answering.document(payload)
            except RequestError as error:
                raise InvalidInput(str(error)) from None
            except UnavailableError as error:
                raise Unavailable(str(error)) from error

        def get_input_types(self) -> list[dict[str, Any]]:
            """The tensors of the v2 protocol."""
            return answering.tensors.input_metadata()

        def get_output_types(self) -> list[dict[str, Any]]:
            """The tensors of the v2 protocol."""
            return answering.tensors.output_metadata()

    model = RankingModel(answering.name)
    model.ready = True
    return model


def checked_data_plane(models: "ModelRepository") -> "DataPlane":
    """KServe's data plane, with whatever its decoding raises turned into the one error that means a bad request."""
    from kserve.errors import InvalidInput
    from kserve.protocol.dataplane import DataPlane

    class CheckedDataPlane(DataPlane):
        def decode(self, *arguments: Any, **named: Any) -> Any:
            """The body as a document or tensors."""
            try:
                return super().decode(*arguments, **named)
            except InvalidInput:
                raise
            except Exception as error:
                raise InvalidInput(f"the request could not be read: {type(error).__name__} {error!s:.100}") from None

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


def bind_servers(host: str, limits: Limits) -> None:
    """Have ``ModelServer`` bind both its servers to ``host`` (it knows all interfaces only) and weigh gRPC messages.

    A message above ``limits.body_bytes`` is an invalid argument; one above ``limits.message_bytes`` is never taken in,
    gRPC answers RESOURCE_EXHAUSTED.
    """
    from concurrent.futures import ThreadPoolExecutor

    from grpc import aio  # type: ignore[import-untyped]
    from kserve import model_server
    from kserve.errors import InvalidInput
    from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import add_GRPCInferenceServiceServicer_to_server
    from kserve.protocol.grpc.interceptors import ExceptionToStatusInterceptor
    from kserve.protocol.grpc.server import GRPCServer
    from kserve.protocol.grpc.servicer import InferenceServicer
    from kserve.protocol.rest.server import RESTServer

    class WeighingServicer(InferenceServicer):
        async def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
            """Answer, if the message is not too large."""
            if request.ByteSize() > limits.body_bytes:
                raise InvalidInput(f"message: expected at most {limits.body_bytes} bytes; found {request.ByteSize()}")
            return await super().ModelInfer(request, context)

    class BoundRESTServer(RESTServer):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            self.config.host = host

    class BoundGRPCServer(GRPCServer):
        async def start(self, max_workers: int) -> None:
            """Listen until stopped."""
            self._server = aio.server(
                ThreadPoolExecutor(max_workers),
                interceptors=(ExceptionToStatusInterceptor(),),
                options=[("grpc.max_receive_message_length", limits.message_bytes)],
            )
            servicer = WeighingServicer(self._data_plane, self._model_repository_extension)
            add_GRPCInferenceServiceServicer_to_server(servicer, self._server)
            self._server.add_insecure_port(address(host, self._port))
            await self._server.start()
            await self._server.wait_for_termination()

    model_server.RESTServer, model_server.GRPCServer = BoundRESTServer, BoundGRPCServer


def refuse_plainly(app: Any) -> None:
    """Answers of FastAPI itself in the same form as all others; a malformed v2 document is 400, as a v1 one is."""
    from fastapi.exceptions import RequestValidationError
    from fastapi.responses import JSONResponse
    from starlette.exceptions import HTTPException

    async def invalid(_: Any, error: Any) -> JSONResponse:
        finding = error.errors()[0]
        place = ".".join(str(part) for part in finding["loc"] if part not in ("body", "InferenceRequest"))
        return JSONResponse({"error": f"{place or 'body'}: {finding['msg']}"}, status_code=400)

    async def failed(_: Any, error: Any) -> JSONResponse:
        return JSONResponse({"error": str(error.detail)}, status_code=error.status_code, headers=error.headers)

    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, failed)


def configure_logging() -> None:
    """Starts, warnings and errors, one line each; a refused request is told to its sender only."""
    from fastapi.exceptions import FastAPIDeprecationWarning
    from kserve.errors import InvalidInput, ModelNotFound, ModelNotReady
    from kserve.logging import configure_logging as configure

    def unexpected(record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if isinstance(error, ModelNotReady):
            record.msg, record.args, record.exc_info = f"unavailable: {error} ({error.__cause__!r})", (), None
        return not isinstance(error, InvalidInput | ModelNotFound)

    warnings.simplefilter("ignore", FastAPIDeprecationWarning)  # of KServe's own making
    handler = {"class": "logging.StreamHandler", "formatter": "line", "filters": ["unexpected"]}
    configure(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
            "filters": {"unexpected": {"()": lambda: unexpected}},
            "handlers": {"stderr": handler},
            "root": {"handlers": ["stderr"], "level": "WARNING"},
            "loggers": {"heliograph": {"level": "INFO"}, "uvicorn.error": {"level": "INFO"}},
        }
    )
