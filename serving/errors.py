"""Errors of serving. Plain exceptions: the runtime turns the first two into the protocols' own answers."""


class RequestError(ValueError):
    """Raised when a request cannot be answered as it stands: HTTP 400, gRPC INVALID_ARGUMENT, with this reason."""


class UnavailableError(RuntimeError):
    """Raised when the online store cannot be read in time: HTTP 503, gRPC UNAVAILABLE, with this reason."""


class RegistryError(RuntimeError):
    """Raised when a version cannot be registered, found or trusted (a digest differs)."""


class EndpointError(RuntimeError):
    """Raised when the endpoint cannot be started or replaced; the message ends with the log's last lines."""
