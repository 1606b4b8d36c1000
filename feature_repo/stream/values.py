"""Convert values of pushed rows to their column's type. The table's schema checks everything else."""

import math
import re
from datetime import datetime
from typing import Any

import numpy as np

from feature_repo.stream.plan import Kind
from models.float32 import survives
from models.integer_text import integer_of
from models.time_units import microseconds

_INTEGER = re.compile(r"-?[0-9]{1,19}")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]{1,3})?")
_EXPECTED: dict[Kind, str] = {
    "int": "a whole number of 64 bits",
    "float": "a finite number that survives as float32 (a whole one to 2^24, as a rule)",
    "double": "a finite number",
    "text": "text",
    "time": "a time in ISO-8601 with a zone, such as 2026-01-06T12:00:00Z, or in whole microseconds UTC",
}


def expected(kind: Kind) -> str:
    """What a column of that kind accepts, for error messages."""
    return _EXPECTED[kind]


def value_of(kind: Kind, value: Any) -> Any:
    """The value as a Python int, float or str; a time as int microseconds UTC. None stays.

    Raises ValueError if the column cannot hold it, and for a time without a zone: nobody knows which was meant.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if kind == "time":
        return _microseconds(value)
    if kind == "text":
        if not isinstance(value, str):
            raise ValueError(value)
        return value
    if kind == "int" and isinstance(value, str):  # a key as a client writes it whose numbers are doubles
        value = integer_of(value)
    if not isinstance(value, int | float | bool | np.integer | np.floating) or not math.isfinite(value):
        raise ValueError(value)
    if kind == "int":
        # From 2**53 on, one float represents several integers.
        low, high = (-(2**53) + 1, 2**53) if isinstance(value, float | np.floating) else (-(2**63), 2**63)
        if value != int(value) or not low <= value < high:
            raise ValueError(value)
        return int(value)
    number = float(value)
    if not math.isfinite(number) or (kind == "float" and not survives(number)):
        raise ValueError(value)
    return float(np.float32(number)) if kind == "float" else number


def parsed(kind: Kind, text: str) -> Any:
    """The value of a CSV cell, as input for ``value_of``; None for an empty cell. Raises ValueError."""
    if text == "":
        return None
    if kind in ("text", "time"):
        return text
    if kind == "int" and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if not (_INTEGER if kind == "int" else _NUMBER).fullmatch(text):  # Python would also accept 1_000, " 1" and nan
        raise ValueError(text)
    return int(text) if kind == "int" else float(text)


def _microseconds(value: Any) -> int:
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value)
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(value)
        value = microseconds(value)
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise ValueError(value)
    if not -(2**63) < value < 2**63:
        raise ValueError(value)
    return int(value)
