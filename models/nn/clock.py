"""The hour and the weekday where the product lives."""

from torch import Tensor

_HOUR = 3_600_000_000
_DAY = 24 * _HOUR
_FIRST_WEEKDAY = 3
"""1970-01-01 was a Thursday."""


def local_clock(time: Tensor, offset: int) -> tuple[Tensor, Tensor]:
    """Local hour (0 to 23) and weekday (0 = Monday) of moments, int64 microseconds UTC; ``offset`` microseconds."""
    local = time + offset
    return local // _HOUR % 24, (local // _DAY + _FIRST_WEEKDAY) % 7
