"""Base class, names and value types that every part of the spec shares."""

import math
import re
from datetime import date
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from models.spec.errors import SpecError

LONGEST_DAYS = 3660
"""No duration in a spec is longer than this many days: ten years."""


class Allowed(NamedTuple):
    """Metadata of an annotated type whose validator checks its bounds: the bounds in words, for the reference page."""

    words: str


class StrictModel(BaseModel):
    """Base of every part of the spec, immutable and strict.

    Unknown keys are errors, a value is never converted to another type (true is not a number, a number is not text),
    and numbers are finite.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)


_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,60}")


def _check_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"expected a name of at most 61 letters, digits and _, a letter first; found {name!r}")
    return name


def _check_value(value: Any) -> Any:
    holds = isinstance(value, bool | int | float | str)
    if not holds or (isinstance(value, float) and not math.isfinite(value)):
        raise ValueError(f"expected true, false, a finite number or a text; found {display(value)}")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError(f"expected a whole number of 64 bits; found {display(value)}")
    return value


Name = Annotated[str, AfterValidator(_check_name), Allowed("a name")]
"""A name that is safe as the name of a file, a column and a view."""
Value = Annotated[bool | int | float | str, BeforeValidator(_check_value)]
"""A scalar that a table column can hold, of exactly the type that was written."""
Filter = dict[Name, list[Value]]
"""Column -> the values that are kept. A row is kept if every column has one of its values."""
Days = Annotated[int, Field(gt=0, le=LONGEST_DAYS)]
"""A duration in whole days."""


def check_unique_name(file: str, key: str, expected: str, name: str, owners: dict[str, str]) -> None:
    """Record in ``owners`` that ``key`` uses ``name``. Raises SpecError if another key uses it, in any case.

    SQL engines do not distinguish upper from lower case.
    """
    owner = owners.setdefault(name.lower(), key)
    if owner != key:
        raise SpecError(file, key, f"{expected}, upper or lower case alike", f"also at {owner}")


def check_unique_values(values: list[str]) -> list[str]:
    """Return the values. Raises ValueError if one is listed twice."""
    seen = set[str]()
    for value in values:
        if value in seen:
            raise ValueError(f"expected every value once; found {display(value)} twice")
        seen.add(value)
    return values


def display(value: Any) -> str:
    """Format a value for an error message: as YAML writes it, at most 120 characters."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, date):
        return f"the date {value.isoformat()}"
    text = repr(value[:120] if isinstance(value, str) else value)
    return text if len(text) <= 120 else text[:117] + "..."
