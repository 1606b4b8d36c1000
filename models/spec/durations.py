"""Durations of a spec with their units: 60s, 10m, 6h, 3d."""

import re
from typing import Annotated

from pydantic import AfterValidator

from models.spec.base import LONGEST_DAYS, Allowed
from models.time_units import DAY, HOUR, SECOND

_UNITS = {"s": SECOND, "m": 60 * SECOND, "h": HOUR, "d": DAY}
_LENGTH = re.compile(r"([1-9][0-9]{0,9})([smhd])", re.ASCII)


def length_in_microseconds(text: str) -> int:
    """Parse a length such as 6h; 0 if the text is not one."""
    match = _LENGTH.fullmatch(text)
    return int(match.group(1)) * _UNITS[match.group(2)] if match else 0


def _check_length(text: str) -> str:
    if not 0 < length_in_microseconds(text) <= LONGEST_DAYS * DAY:
        raise ValueError(f"expected a length such as 60s, 10m, 6h or 3d, at most {LONGEST_DAYS}d; found {text!r}")
    return text


Length = Annotated[str, AfterValidator(_check_length), Allowed(f"1s to {LONGEST_DAYS}d")]
"""A duration as a whole number with its unit."""
