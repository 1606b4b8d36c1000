"""KServe's two servers, bound to one address, weighed, guarded and ended gently."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from serving.adapters import refuse_plainly
from serving.drain import Drain
from serving.errors import RequestError
from serving.limits import Limits
from serving.listening import address
from serving.settings import Settings
from serving.token import authorised

if TYPE_CHECKING:
    from kserve import ModelServer

_PROBES = ("ServerLive", "ServerReady", "ModelReady")
_CONNECTIONS = 2048
"""Connections above so many are answered with 503 by uvicorn itself, before anything is read."""
_GRACE_SECONDS = 2
"""Beside the deadline of a request, for its answer to be sent."""


def model_server(settings: Settings, token: str | None, drain: Drain) -> "ModelServer":
    """A ``ModelServer`` whose two servers are the ones below; it knows no other way to be given them."""
    from kserve import model_server as module

    class GentleModelServer(module.ModelServer):
        def stop(self, sig: int) -> None:
            """REST has ended when this is called; gRPC answers what it is at. The model stays to the end."""
            self._stopping = asyncio.create_task(self._grpc_server.stop(sig))

    limits = settings.limits
    module.RESTServer = _rest_server(settings.host, drain)
    module.GRPCServer = _grpc_server(settings.host, limits, token, drain)
    return GentleModelServer(
        http_port=settings.port,
        grpc_port=settings.grpc_port,
        enable_latency_logging=False,
        grace_period=math.ceil(limits.deadline_seconds) + _GRACE_SECONDS,
    )


def _rest_server(host: str, drain: Drain) -> type:
    from kserve.protocol.rest.server import RESTServer
    from uvicorn import Server

    class DrainingServer(Server):
        def handle_exit(self, sig: int, frame: Any) -> None:
            """The first signal begins the drain; a second one ends the server at once, as it does without us."""
            if drain.begun:
                super().handle_exit(sig, frame)
            else:
                drain.begin()
                self._captured_signals.append(sig)

        async def on_tick(self, counter: int) -> bool:
            """Ten times a second: whether to end."""
            return drain.over() or await super().on_tick(counter)

    class BoundRESTServer(RESTServer):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            self.config.host = host
            self.config.limit_concurrency = _CONNECTIONS
            self._server = DrainingServer(self.config)

        def _add_exception_handlers(self, app: Any) -> None:
            """Ours: KServe's repeat whatever was sent."""
            refuse_plainly(app)

        def _add_middlewares(self, app: Any) -> None:
            """None: KServe's ask the kernel for processor times at every message; stages are timed by ours."""

    return BoundRESTServer


def _grpc_server(host: str, limits: Limits, token: str | None, drain: Drain) -> type:
    from concurrent.futures import ThreadPoolExecutor

    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from grpc import StatusCode, aio, unary_unary_rpc_method_handler  # type: ignore[import-untyped]
    from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import add_GRPCInferenceServiceServicer_to_server
    from kserve.protocol.grpc.interceptors import ExceptionToStatusInterceptor
    from kserve.protocol.grpc.server import GRPCServer
    from kserve.protocol.grpc.servicer import InferenceServicer

    class CountingServicer(InferenceServicer):
        async def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
            """A request at work, as those of HTTP are."""
            with drain.request():
                return await super().ModelInfer(request, context)

    class TokenInterceptor(aio.ServerInterceptor):
        async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], details: Any) -> Any:
            """Probes go through, and calls that show the token."""
            given = dict(details.invocation_metadata).get("authorization")
            if details.method.rpartition("/")[2] in _PROBES or authorised(given, token):
                return await continuation(details)
            return unary_unary_rpc_method_handler(refuse)

    class DecodingInterceptor(aio.ServerInterceptor):
        async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], details: Any) -> Any:
            """Bytes that are too many, or no message, are the caller's fault; gRPC itself would blame the server."""
            handler = await continuation(details)
            if handler is None:
                return None

            def decode(content: bytes) -> Any:
                """The message, or what is wrong with it; the event loop does not wait for a large one to be parsed."""
                if handler.request_deserializer is None:
                    return content
                if len(content) > limits.body_bytes:
                    return RequestError(f"message: expected at most {limits.body_bytes} bytes; found {len(content)}")
                try:
                    return handler.request_deserializer(content)
                except DecodeError:
                    return RequestError("message: expected one of the protocol's")

            async def answer(message: Any, context: Any) -> Any:
                if isinstance(message, RequestError):
                    await context.abort(StatusCode.INVALID_ARGUMENT, str(message))
                return await handler.unary_unary(message, context)

            return unary_unary_rpc_method_handler(answer, decode, handler.response_serializer)

    async def refuse(_: Any, context: Any) -> None:
        await context.abort(StatusCode.UNAUTHENTICATED, "expected the token of this server")

    class BoundGRPCServer(GRPCServer):
        async def start(self, max_workers: int) -> None:
            """Listen until stopped."""
            self._server = aio.server(
                ThreadPoolExecutor(max_workers),
                interceptors=(DecodingInterceptor(), TokenInterceptor(), ExceptionToStatusInterceptor()),
                options=[("grpc.max_receive_message_length", limits.message_bytes)],
                maximum_concurrent_rpcs=limits.concurrent + limits.waiting,
            )
            servicer = CountingServicer(self._data_plane, self._model_repository_extension)
            add_GRPCInferenceServiceServicer_to_server(servicer, self._server)
            self._server.add_insecure_port(address(host, self._port))
            await self._server.start()
            await self._server.wait_for_termination()

    return BoundGRPCServer
