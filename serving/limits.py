"""What a server takes in, and how long it takes over it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What one request may weigh, how many are answered at once, and how long everything may take."""

    body_bytes: int = 1 << 20
    """Bytes of an HTTP body or of a gRPC message; more is answered with 413, or with INVALID_ARGUMENT."""
    message_bytes: int = 16 << 20
    """Bytes of a gRPC message that is taken in at all; more is refused unread by gRPC itself: RESOURCE_EXHAUSTED."""
    instances: int = 16
    """Instances of one v1 request."""
    items: int = 500
    """Candidates of one instance."""
    explained: int = 100
    """Candidates of one call that reasons may be asked for: each is scored some dozens of times."""
    text: int = 256
    """Characters of a key or a category."""
    bodies: int = 256
    """Bodies that arrive at once; further ones are answered with 429."""
    body_seconds: float = 20.0
    """Deadline for the whole body to arrive; later is answered with 408."""
    concurrent: int = 8
    """Requests that are answered at once."""
    waiting: int = 64
    """Requests that wait for their turn; further ones are answered with 429, or with RESOURCE_EXHAUSTED."""
    wait_seconds: float = 0.5
    """How long a request waits for its turn; then it is answered as those beyond ``waiting`` are."""
    deadline_seconds: float = 3.0
    """Deadline of one request, from its turn to its answer; later is answered with 503. A header may shorten it."""
    store_seconds: float = 0.25
    """Deadline of the online read; later the slate is ranked by popularity, and says so."""
    drain_seconds: float = 5.0
    """How long requests are still taken after SIGTERM while some keep coming."""
