"""Local hour and weekday of a time."""

from torch import Tensor

from models.time_units import DAY, HOUR

_FIRST_WEEKDAY = 3
"""1970-01-01 was a Thursday."""


def local_clock(time: Tensor, offset: int) -> tuple[Tensor, Tensor]:
    """Local hour (0 to 23) and weekday (0 = Monday) of ``time``, int64 microseconds UTC of any shape.

    ``offset``: local time minus UTC, in microseconds.
    """
    local = time + offset
    return local // HOUR % 24, (local // DAY + _FIRST_WEEKDAY) % 7
