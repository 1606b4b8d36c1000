"""gRPC guard: checks the token, reads the message within a size and a deadline, and maps errors to status codes.

gRPC's own handlers wait for a message without a limit, and count the call as active. This interceptor takes the stream
instead: it checks the token before anything is counted or read, and gives up messages that do not arrive.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from grpc import StatusCode, aio, stream_unary_rpc_method_handler  # type: ignore[import-untyped]

from serving.errors import FAILED, RefusalError, RequestError
from serving.server.incoming_bodies import IncomingBodies
from serving.server.kserve.errors import response_of
from serving.settings.limits import Limits
from serving.settings.token import check_token

_PROBES = ("ServerLive", "ServerReady", "ModelReady")
"""Need no token, like the HTTP probes: they return the health of the server and nothing else."""
_PROBE_BYTES = 4096
_PROBE_MESSAGES = 16
"""Probe messages that are received at once, in addition to those of other calls."""
_logger = logging.getLogger("heliograph")


class GrpcGuard(aio.ServerInterceptor):
    """Interceptor of every method of the server."""

    def __init__(self, limits: Limits, token: str | None) -> None:
        self._token, self._limits = token, limits
        self._messages = IncomingBodies(limits.bodies, limits.body_seconds)
        self._probes = IncomingBodies(_PROBE_MESSAGES, limits.body_seconds)

    async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], details: Any) -> Any:
        """The handler of a call; without the token one that refuses it, whatever the method."""
        probe = details.method.rpartition("/")[2] in _PROBES
        if not probe:
            try:
                check_token(
                    [value for key, value in details.invocation_metadata if key == "authorization"], self._token
                )
            except RefusalError as error:
                return _refusing(error)
        handler = await continuation(details)
        if handler is None or handler.unary_unary is None:
            return None

        async def handle(_: Any, context: Any) -> Any:
            try:
                return await handler.unary_unary(await self._message(handler, context, probe), context)
            except Exception as error:
                refused = error
            await _abort(context, refused)

        return stream_unary_rpc_method_handler(handle, None, handler.response_serializer)

    async def _message(self, handler: Any, context: Any, probe: bool) -> Any:
        """The parsed message. Raises RequestError, RefusalError, OverloadedError."""
        most = _PROBE_BYTES if probe else self._limits.body_bytes
        content = await (self._probes if probe else self._messages).read(context.read())
        if content is aio.EOF:
            raise RequestError("message: expected one; found the end of the call")
        if len(content) > most:
            raise RequestError(f"message: expected at most {most} bytes; found {len(content)}")
        try:
            return handler.request_deserializer(content)
        except DecodeError:
            raise RequestError("message: expected one of the protocol's") from None


def check_single(metadata: Sequence[tuple[str, Any]], name: str) -> None:
    """Raise RequestError if the metadata have a name twice: which value counts would be undefined."""
    if sum(key == name for key, _ in metadata) > 1:
        raise RequestError(f"{name}: expected it once in the metadata; found it more often")


def _refusing(error: RefusalError) -> Any:
    async def refuse(_: Any, context: Any) -> None:
        await _abort(context, error)

    return stream_unary_rpc_method_handler(refuse)


async def _abort(context: Any, error: Exception) -> None:
    """End a call with the status of an error; the message of an unexpected one is not sent."""
    response = response_of(error)
    if response is None:
        _logger.error("a call failed", exc_info=error)
        response = FAILED
    await context.abort(getattr(StatusCode, response.grpc_code), response.reason)
