"""Errors of serving, and the one mapping from them to HTTP statuses, headers and gRPC codes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from serving.untrusted import safe_message

GRPC_CODES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
}
"""The gRPC status code of each HTTP status that a call can end with; INTERNAL for any other."""


class RequestError(ValueError):
    """Raised for an invalid request: HTTP 400, gRPC INVALID_ARGUMENT."""


class UnavailableError(RuntimeError):
    """Raised when the store or the model does not respond in time: HTTP 503, gRPC UNAVAILABLE."""


class OverloadedError(RuntimeError):
    """Raised when a limit on concurrent or waiting requests is exceeded: HTTP 429, gRPC RESOURCE_EXHAUSTED."""

    def __init__(self, reason: str, retry_after: int = 1) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        """Seconds after which the client may retry."""


class RefusalError(Exception):
    """Raised for a request that is refused before it reaches a protocol handler, with its HTTP status."""

    def __init__(self, status: int, reason: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status, self.reason, self.headers = status, reason, dict(headers or {})


class RegistryError(RuntimeError):
    """Raised when a version cannot be registered, found or trusted (its digest differs)."""


class EndpointError(RuntimeError):
    """Raised when the endpoint cannot be started or replaced; the message ends with the log's last lines."""


@dataclass(frozen=True)
class ErrorResponse:
    """What a client receives instead of a result."""

    status: int
    reason: str
    """One short printable line."""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def content(self) -> bytes:
        """The JSON body."""
        return json.dumps({"error": self.reason}).encode()

    @property
    def grpc_code(self) -> str:
        """The name of the gRPC status code."""
        return GRPC_CODES.get(self.status, "INTERNAL")


FAILED = ErrorResponse(500, "the server failed; its log says where")
"""The response to an unexpected error, whose own message may hold personal data."""


def error_response(error: BaseException) -> ErrorResponse | None:
    """The response to one of the four request errors above; None for any other exception."""
    headers: Mapping[str, str] = {}
    match error:
        case RefusalError():
            status, headers = error.status, error.headers
        case RequestError():
            status = 400
        case OverloadedError():
            status, headers = 429, {"retry-after": str(error.retry_after)}
        case UnavailableError():
            status = 503
        case _:
            return None
    return ErrorResponse(status, safe_message(str(error)), headers)
