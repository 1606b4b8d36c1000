"""KServe's gRPC server with bounds on connections, streams, metadata, messages and their time."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from grpc import aio  # type: ignore[import-untyped]
from kserve.constants.constants import GRPC_CONTENT_DATATYPE_MAPPINGS
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import add_GRPCInferenceServiceServicer_to_server
from kserve.protocol.grpc.server import GRPCServer
from kserve.protocol.grpc.servicer import InferenceServicer

from serving.errors import RequestError
from serving.server.drain import Drain
from serving.server.kserve import unknown_methods
from serving.server.kserve.grpc_guard import GrpcGuard, check_single
from serving.server.request_headers import TIMEOUT
from serving.settings.limits import Limits
from serving.settings.listening import address

_CONNECTIONS = 1024
_STREAMS = 256
"""Concurrent calls of one connection."""
_METADATA_BYTES = 16 << 10


class CountingServicer(InferenceServicer):
    """KServe's methods; predictions are validated, and counted for the drain."""

    def __init__(self, data_plane: Any, repository: Any, drain: Drain) -> None:
        super().__init__(data_plane, repository)
        self._drain = drain

    async def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        """A prediction. Raises RequestError for an invalid message."""
        with self._drain.request():
            check_single(context.invocation_metadata(), TIMEOUT)
            check_contents(request)
            return await super().ModelInfer(request, context)


class BoundedGRPCServer(GRPCServer):
    """KServe's gRPC server behind the guard, at one address."""

    def __init__(
        self, *arguments: Any, host: str, limits: Limits, token: str | None, drain: Drain, **named: Any
    ) -> None:
        super().__init__(*arguments, **named)
        self._host, self._limits, self._drain = host, limits, drain
        self._guard = GrpcGuard(limits, token)

    async def start(self, max_workers: int) -> None:
        """Serve until stopped."""
        unknown_methods.install()
        self._server = aio.server(
            ThreadPoolExecutor(max_workers), interceptors=(self._guard,), options=options(self._limits)
        )
        servicer = CountingServicer(self._data_plane, self._model_repository_extension, self._drain)
        add_GRPCInferenceServiceServicer_to_server(servicer, self._server)
        self._server.add_insecure_port(address(self._host, self._port))
        await self._server.start()
        await self._server.wait_for_termination()


def options(limits: Limits) -> list[tuple[str, int]]:
    """Bounds that gRPC itself enforces (https://grpc.github.io/grpc/core/group__grpc__arg__keys.html); milliseconds.

    The number of concurrent calls is not among them: gRPC would count calls that are still arriving, also those without
    a token.
    """
    return [
        ("grpc.max_receive_message_length", limits.message_bytes),
        ("grpc.max_metadata_size", _METADATA_BYTES),
        ("grpc.absolute_max_metadata_size", _METADATA_BYTES),
        ("grpc.max_allowed_incoming_connections", _CONNECTIONS),
        ("grpc.max_concurrent_streams", _STREAMS),
        ("grpc.max_connection_idle_ms", 60_000),
        ("grpc.server_handshake_timeout_ms", 10_000),
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.http2.max_ping_strikes", 2),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ]


def check_contents(request: Any) -> None:
    """Raise RequestError if a tensor has values in the field of another datatype: they would be ignored."""
    for place, tensor in enumerate(request.inputs):
        found = [field.name for field, _ in tensor.contents.ListFields()]
        field = GRPC_CONTENT_DATATYPE_MAPPINGS.get(tensor.datatype)
        if found and found != [field]:
            expected = field or "a datatype of the protocol"
            raise RequestError(f"inputs.{place}.contents: expected {expected}; found {', '.join(found)}")
