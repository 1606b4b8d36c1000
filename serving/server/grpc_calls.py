"""One gRPC call, from its headers to its status: the token, then the message within its time, then the method.

gRPC's own handlers wait for a message without end, and count the call meanwhile. Ours are given the stream, so that
they see the token before anything is counted or read, and give up a message that does not come.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from grpc import StatusCode, aio, stream_unary_rpc_method_handler  # type: ignore[import-untyped]

from serving.errors import OverloadedError, RequestError, UnavailableError
from serving.server.incoming_bodies import IncomingBodies
from serving.settings.limits import Limits
from serving.settings.token import authorised
from serving.shown import reason

_PROBES = ("ServerLive", "ServerReady", "ModelReady")
"""Open to everybody, as those of HTTP are: they say whether the server is well, and nothing else."""
_PROBE_BYTES = 4096
_PROBE_ROOM = 16
"""Messages of probes that arrive at once: those take no room from the others."""
_TOKEN = "authorization"
_logger = logging.getLogger("heliograph")


class GrpcCalls(aio.ServerInterceptor):
    """Puts itself around every method of the server."""

    def __init__(self, limits: Limits, token: str | None) -> None:
        self._token, self._limits = token, limits
        self._messages = IncomingBodies(limits.bodies, limits.body_seconds)
        self._probes = IncomingBodies(_PROBE_ROOM, limits.body_seconds)

    async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], details: Any) -> Any:
        """The handler of a call: of a stranger's the one that refuses it, whatever the method."""
        probe = details.method.rpartition("/")[2] in _PROBES
        if not probe and not authorised(_one(details.invocation_metadata, _TOKEN), self._token):
            return stream_unary_rpc_method_handler(_refuse)
        handler = await continuation(details)
        if handler is None or handler.unary_unary is None:
            return None

        async def answer(_: Any, context: Any) -> Any:
            try:
                return await handler.unary_unary(await self._message(handler, context, probe), context)
            except Exception as error:
                code, message = _status(error)
            await context.abort(code, reason(message))

        return stream_unary_rpc_method_handler(answer, None, handler.response_serializer)

    async def _message(self, handler: Any, context: Any, probe: bool) -> Any:
        """The parsed message. Raises RequestError, OverloadedError, TimeoutError."""
        from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

        most = _PROBE_BYTES if probe else self._limits.body_bytes
        content = await (self._probes if probe else self._messages).whole(context.read())
        if content is aio.EOF:
            raise RequestError("message: expected one; found the end of the call")
        if len(content) > most:
            raise RequestError(f"message: expected at most {most} bytes; found {len(content)}")
        try:
            return handler.request_deserializer(content)
        except DecodeError:
            raise RequestError("message: expected one of the protocol's") from None


def one_of(metadata: Sequence[tuple[str, Any]], name: str) -> None:
    """Raise RequestError where a name of the metadata stands there twice: which of both counts nobody can tell."""
    if sum(key == name for key, _ in metadata) > 1:
        raise RequestError(f"{name}: expected it once in the metadata; found it more often")


def _one(metadata: Sequence[tuple[str, Any]], name: str) -> Any:
    """The value of a name that the metadata have once; None else."""
    found = [value for key, value in metadata if key == name]
    return found[0] if len(found) == 1 else None


async def _refuse(_: Any, context: Any) -> None:
    await context.abort(StatusCode.UNAUTHENTICATED, "expected the token of this server")


def _status(error: Exception) -> tuple[StatusCode, str]:
    """What a call that raised ends with. Only what we expected is told; the log says where anything else was."""
    from grpc_interceptor.exceptions import GrpcException
    from kserve.errors import InvalidInput, ModelNotFound, ModelNotReady

    if isinstance(error, RequestError | InvalidInput):
        return StatusCode.INVALID_ARGUMENT, str(error)
    if isinstance(error, ModelNotFound):
        return StatusCode.NOT_FOUND, str(error)
    if isinstance(error, ModelNotReady | UnavailableError):
        return StatusCode.UNAVAILABLE, str(error)
    if isinstance(error, OverloadedError):
        return StatusCode.RESOURCE_EXHAUSTED, str(error)
    if isinstance(error, TimeoutError):
        return StatusCode.DEADLINE_EXCEEDED, str(error)
    if isinstance(error, GrpcException):
        return error.status_code, str(error.details)
    _logger.error("a call failed", exc_info=error)
    return StatusCode.INTERNAL, "the server failed; its log says where"
