"""Durations of a spec with their units: 60s, 10m, 6h, 3d."""

from typing import Annotated

from pydantic import AfterValidator

from models.spec.base import LONGEST_DAYS, Allowed
from models.time_units import length


def length_in_microseconds(text: str) -> int:
    """Parse a length such as 6h, at least 1s. Raises ValueError."""
    return length(text, LONGEST_DAYS)


def _check_length(text: str) -> str:
    length_in_microseconds(text)
    return text


Length = Annotated[str, AfterValidator(_check_length), Allowed(f"1s to {LONGEST_DAYS}d")]
"""A duration as a whole number with its unit."""
