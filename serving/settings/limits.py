"""What a server takes in, and how long it takes over it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from models.documents import DocumentError, document_text, read_json
from serving.errors import EndpointError

LIMITS = "HELIOGRAPH_LIMITS"
"""The environment's variable that says them to a server that is not started by ``up``: JSON."""
_END_SECONDS = 17
"""A request and a drain take at most, so that who ends a worker by force after 20 seconds finds nothing at work."""


@dataclass(frozen=True)
class Limits:
    """What one request may weigh, how many are answered at once, and how long everything may take."""

    body_bytes: int = 1 << 20
    """Bytes of an HTTP body or of a gRPC message; more is answered with 413, or with INVALID_ARGUMENT."""
    message_bytes: int = 4 << 20
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


def read_limits(file: Path) -> Limits:
    """The limits that a JSON file names; those it does not name are the defaults. Raises EndpointError."""
    try:
        text = document_text(file, "JSON")
    except DocumentError as error:
        raise EndpointError(f"limits: expected {error.expected} in {file}; found {error.found}.") from None
    return parse_limits(text, str(file))


def limits_of(environment: Mapping[str, str]) -> Limits:
    """As ``read_limits``, of the variable ``LIMITS``; without it the defaults."""
    return parse_limits(environment.get(LIMITS) or "{}", LIMITS)


def parse_limits(text: str, source: str) -> Limits:
    """As ``read_limits``; ``source`` is what an error names."""
    try:
        document = read_json(text)
    except DocumentError as error:
        raise EndpointError(f"{source}: expected {error.expected}; found {error.found}.") from None
    except ValueError as error:
        raise EndpointError(f"{source}: expected JSON; found none ({error}).") from None
    if not isinstance(document, dict):
        raise EndpointError(f'{source}: expected an object such as {{"concurrent": 8}}; found {document!r:.40}.')
    known = {field.name: field.type for field in fields(Limits)}
    for name, value in document.items():
        if name not in known:
            raise EndpointError(f"{source}: expected limits ({', '.join(known)}); found {name!r:.40}.")
        whole = known[name] is int
        # JSON's true is an int to Python, its NaN and Infinity are floats.
        number = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
        if not number or not 0 < value < math.inf:
            kind = "a whole number" if whole else "a number"
            raise EndpointError(f"{source}: expected {kind} above 0 as {name}; found {value!r:.40}.")
    limits = Limits(**document)
    if limits.deadline_seconds + limits.drain_seconds > _END_SECONDS:
        found = f"{limits.deadline_seconds:g} and {limits.drain_seconds:g}"
        raise EndpointError(
            f"{source}: expected deadline_seconds and drain_seconds of at most {_END_SECONDS} together, since a worker "
            f"that ends is killed after 20; found {found}."
        )
    if not limits.body_bytes <= limits.message_bytes < 2**31:
        raise EndpointError(
            f"{source}: expected message_bytes from body_bytes ({limits.body_bytes}) to 2147483647; found "
            f"{limits.message_bytes}."
        )
    return limits
