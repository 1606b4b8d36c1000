"""Bounds of a configuration's fields, as annotations of their types: ``width: Annotated[int, Bound(...)]``."""

from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin, get_type_hints


class Bound(NamedTuple):
    """A condition on a value, in words and as a test; NaN never passes."""

    words: str
    holds: Callable[[Any], bool]


def whole(least: int, most: int) -> Bound:
    """Whole numbers from ``least`` to ``most``, without true and false."""
    return Bound(f"a whole number, {least} to {most}", lambda value: type(value) is int and least <= value <= most)


SWITCH = Bound("true or false", lambda value: isinstance(value, bool))
"""The bound of every field of type bool."""

Positive = Annotated[int, whole(1, 100_000)]
Count = Annotated[int, whole(0, 100_000)]
Large = Annotated[int, whole(0, 10**9)]
Seed = Annotated[int, whole(0, 2**32 - 1)]
Share = Annotated[float, Bound("a share of 0 or more, below 1", lambda value: 0 <= value < 1)]
OptionalWeight = Annotated[
    float | None, Bound("a number of 0 to 1, or null", lambda value: value is None or 0 <= value <= 1)
]
NonNegative = Annotated[float, Bound("a finite number of 0 or more", lambda value: 0 <= value < float("inf"))]
PositiveFloat = Annotated[float, Bound("a finite number above 0", lambda value: 0 < value < float("inf"))]


def bounds_of(config: type) -> dict[str, Bound]:
    """The bound of every field of a configuration."""
    hints = get_type_hints(config, include_extras=True)
    return {name: _bound(kind) for name, kind in hints.items() if not name.startswith("__")}


def broken(part: str, config: Any) -> Iterator[tuple[str, str, str]]:
    """Yield (key, expected, found) for every value that is out of its bound; keys as ``part.key``."""
    for name, bound in bounds_of(type(config)).items():
        value = getattr(config, name)
        if not _holds(bound, value):
            yield f"{part}.{name}", bound.words, repr(value)


def _bound(kind: Any) -> Bound:
    if kind is bool:
        return SWITCH
    if get_origin(kind) is Literal:
        *first, last = get_args(kind)
        return Bound(f"{', '.join(first)} or {last}", lambda value: value in get_args(kind))
    (bound,) = kind.__metadata__
    return bound


def _holds(bound: Bound, value: Any) -> bool:
    if isinstance(value, bool) and bound is not SWITCH:  # True == 1 in Python
        return False
    try:
        return bound.holds(value)
    except TypeError:  # not a number
        return False
