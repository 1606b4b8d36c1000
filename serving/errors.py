"""Errors of serving. Plain exceptions: the runtimes turn the first four into the protocols' own answers."""


class RequestError(ValueError):
    """Raised when a request cannot be answered as it stands: HTTP 400, gRPC INVALID_ARGUMENT, with this reason."""


class UnavailableError(RuntimeError):
    """Raised when store or model do not answer in time: HTTP 503, gRPC UNAVAILABLE, with this reason."""


class OverloadedError(RuntimeError):
    """Raised when more is asked than the limits let in: HTTP 429, gRPC RESOURCE_EXHAUSTED, with this reason."""

    def __init__(self, reason: str, retry_after: int = 1) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        """Seconds after which asking again makes sense."""


class RefusalError(Exception):
    """Raised for an HTTP request that is turned away unread: the status and the reason to answer with."""

    def __init__(self, status: int, reason: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status, self.reason, self.headers = status, reason, headers or {}


class RegistryError(RuntimeError):
    """Raised when a version cannot be registered, found or trusted (a digest differs)."""


class EndpointError(RuntimeError):
    """Raised when the endpoint cannot be started or replaced; the message ends with the log's last lines."""
