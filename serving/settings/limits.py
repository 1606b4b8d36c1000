"""Limits: how much one server accepts, and how long it may take."""

import math
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any

from serving.errors import EndpointError
from serving.settings.documents import json_object

LIMITS = "HELIOGRAPH_LIMITS"
"""Environment variable with the limits (JSON) of a server that is not started by ``python -m serving up``."""
_EXAMPLE = '{"concurrent": 8}'
_KILL_SECONDS, _SPARE_SECONDS = 20, 3
"""A worker is killed 20 seconds after SIGTERM; 3 of these are a safety margin."""


def _limit(default: float, below: float = math.inf) -> Any:
    """A limit with its default, above 0 and less than ``below``."""
    return field(default=default, metadata={"above": 0, "below": below})


@dataclass(frozen=True)
class Limits:
    """Sizes of one request, how many are served at once, and deadlines."""

    body_bytes: int = _limit(1 << 20)
    """Bytes of an HTTP body or of a gRPC message; larger ones get 413, over gRPC INVALID_ARGUMENT."""
    message_bytes: int = _limit(4 << 20, below=2**31)
    """Bytes of a gRPC message that is read at all, at least ``body_bytes``; gRPC itself refuses larger ones with
    RESOURCE_EXHAUSTED."""
    instances: int = _limit(16)
    """Instances of one v1 request."""
    items: int = _limit(500)
    """Candidates of one instance."""
    explained: int = _limit(100)
    """Candidates of one request with ``explain``: each is scored some dozens of times."""
    text: int = _limit(256)
    """Characters of a key or a category."""
    bodies: int = _limit(256)
    """Bodies that are received at once; beyond, the slowest gets 429."""
    body_seconds: float = _limit(20.0)
    """Deadline for the whole body to arrive; later gets 408."""
    concurrent: int = _limit(8)
    """Requests that are processed at once."""
    waiting: int = _limit(64)
    """Requests that wait in the queue; further ones get 429, over gRPC RESOURCE_EXHAUSTED."""
    wait_seconds: float = _limit(0.5)
    """How long a request may wait in the queue before it gets the same."""
    deadline_seconds: float = _limit(3.0)
    """Deadline of one request, its time in the queue included; later gets 503. A header may shorten it."""
    store_seconds: float = _limit(0.25)
    """Deadline of the online read; later the slate is ranked by popularity, and its ``fallback`` is true."""
    drain_seconds: float = _limit(5.0)
    """How long requests are still accepted after SIGTERM while they keep coming. With ``deadline_seconds`` at most 17:
    a worker that ends is killed after 20 seconds."""


def read_limits(file: Path) -> Limits:
    """The limits of a JSON file; limits that it does not name have their defaults.

    Raises EndpointError for a file that cannot be read, an unknown name and a value outside its bounds.
    """
    return _limits(json_object(file, "limits", _EXAMPLE), f"limits: {file}")


def limits_of(environment: Mapping[str, str]) -> Limits:
    """The limits of the environment variable ``LIMITS``, or the defaults. Raises EndpointError as ``read_limits``."""
    return parse_limits(environment.get(LIMITS) or "{}", LIMITS)


def parse_limits(text: str, source: str) -> Limits:
    """The limits of a JSON text; error messages begin with ``source``. Raises EndpointError as ``read_limits``."""
    return _limits(json_object(text, source, _EXAMPLE), source)


def _limits(document: Mapping[str, Any], source: str) -> Limits:
    known = {limit.name: limit for limit in fields(Limits)}
    for name, value in document.items():
        if name not in known:
            raise EndpointError(f"{source}: expected limits ({', '.join(known)}); found {name!r:.40}.")
        _check_value(known[name], value, source)
    limits = Limits(**document)
    _check_together(limits, source)
    return limits


def _check_value(limit: "Field[Any]", value: object, source: str) -> None:
    """Raise EndpointError for a value of another type than the limit's default, or outside its bounds."""
    assert limit.default is not MISSING
    whole = isinstance(limit.default, int)
    above, below = limit.metadata["above"], limit.metadata["below"]
    # JSON's true is an int to Python; its NaN and Infinity are floats.
    number = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
    if not number or not above < value < below:
        kind = "a whole number" if whole else "a number"
        most = "" if below == math.inf else f" and below {below}"
        raise EndpointError(f"{source}: expected {kind} above {above}{most} as {limit.name}; found {value!r:.40}.")


def _check_together(limits: Limits, source: str) -> None:
    """Raise EndpointError for values that are valid alone and not together."""
    longest = _KILL_SECONDS - _SPARE_SECONDS
    if limits.deadline_seconds + limits.drain_seconds > longest:
        raise EndpointError(
            f"{source}: expected deadline_seconds and drain_seconds of at most {longest} together, since a worker that "
            f"ends is killed after {_KILL_SECONDS}; found {limits.deadline_seconds:g} and {limits.drain_seconds:g}."
        )
    if limits.message_bytes < limits.body_bytes:
        raise EndpointError(
            f"{source}: expected message_bytes of at least body_bytes ({limits.body_bytes}); found "
            f"{limits.message_bytes}."
        )
