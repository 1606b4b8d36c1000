"""KServe's gRPC server with our bounds: on connections, streams, metadata, messages and their time."""

from typing import Any

from serving.errors import RequestError
from serving.server.drain import Drain
from serving.settings.limits import Limits
from serving.settings.listening import address

_CONNECTIONS = 1024
_STREAMS = 256
"""GrpcCalls at once on one connection."""
_METADATA_BYTES = 16 << 10


def grpc_server(host: str, limits: Limits, token: str | None, drain: Drain) -> type:
    """The class of KServe's that a ``ModelServer`` makes its gRPC server of."""
    from concurrent.futures import ThreadPoolExecutor

    from grpc import aio  # type: ignore[import-untyped]
    from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import add_GRPCInferenceServiceServicer_to_server
    from kserve.protocol.grpc.server import GRPCServer
    from kserve.protocol.grpc.servicer import InferenceServicer

    from serving.server.grpc_calls import GrpcCalls, one_of
    from serving.server.request_headers import TIMEOUT
    from serving.server.unknown_methods import shield

    class CountingServicer(InferenceServicer):
        async def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
            """A request at work, as those of HTTP are."""
            with drain.request():
                one_of(context.invocation_metadata(), TIMEOUT)
                check_contents(request)
                return await super().ModelInfer(request, context)

    class BoundGRPCServer(GRPCServer):
        async def start(self, max_workers: int) -> None:
            """Listen until stopped."""
            shield()
            self._server = aio.server(
                ThreadPoolExecutor(max_workers), interceptors=(GrpcCalls(limits, token),), options=options(limits)
            )
            servicer = CountingServicer(self._data_plane, self._model_repository_extension)
            add_GRPCInferenceServiceServicer_to_server(servicer, self._server)
            self._server.add_insecure_port(address(host, self._port))
            await self._server.start()
            await self._server.wait_for_termination()

    return BoundGRPCServer


def options(limits: Limits) -> list[tuple[str, int]]:
    """What gRPC itself watches, https://grpc.github.io/grpc/core/group__grpc__arg__keys.html; times in milliseconds.

    How many calls are at work is not its affair: it would count those that are still arriving, strangers' too.
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
    """Raise RequestError where a tensor has values of another datatype than its own: nobody would read them."""
    from kserve.constants.constants import GRPC_CONTENT_DATATYPE_MAPPINGS as FIELDS

    for place, tensor in enumerate(request.inputs):
        found = [field.name for field, _ in tensor.contents.ListFields()]
        if found and found != [FIELDS.get(tensor.datatype)]:
            expected = FIELDS.get(tensor.datatype, "a datatype of the protocol")
            raise RequestError(f"inputs.{place}.contents: expected {expected}; found {', '.join(found)}")
