"""What every part of a spec has in common: its base, its names, its longest time."""

import math
import re
from datetime import date
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from models.spec.errors import SpecError

LONGEST = 3660
"""No span of a spec is longer than this many days: ten years."""


def _value(value: Any) -> Any:
    """A value of its own type, which a table could hold."""
    holds = isinstance(value, bool | int | float | str)
    if not holds or (isinstance(value, float) and not math.isfinite(value)):
        raise ValueError(f"expected true, false, a finite number or a text; found {shown(value)}")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError(f"expected a whole number of 64 bits; found {shown(value)}")
    return value


Value = Annotated[bool | int | float | str, BeforeValidator(_value)]
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,60}")


class Strict(BaseModel):
    """Base of every part of the spec: unknown keys are errors, no value is turned into one of another type (true is no
    number, a number is no text), numbers are finite, values are fixed once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)


def _named(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"expected a name of at most 61 letters, digits and _, a letter first; found {name!r}")
    return name


Name = Annotated[str, AfterValidator(_named)]
"""Names become names of files, columns and views."""
Filter = dict[Name, list[Value]]
"""Column -> the values that are kept; all columns must match."""


def check_name(file: str, key: str, expected: str, name: str, owners: dict[str, str]) -> None:
    """Note at which key a name stands. Raises SpecError if it is taken: engines do not tell upper from lower case."""
    owner = owners.setdefault(name.lower(), key)
    if owner != key:
        raise SpecError(file, key, f"{expected}, upper or lower case alike", f"also at {owner}")


def listed_once(values: list[str]) -> list[str]:
    """The values, if none stands twice. Raises ValueError."""
    met = set[str]()
    for value in values:
        if value in met:
            raise ValueError(f"expected every value once; found {shown(value)} twice")
        met.add(value)
    return values


def shown(value: Any) -> str:
    """A value as an error shows it: as YAML would write it, and not at any length."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, date):
        return f"the date {value.isoformat()}"
    text = repr(value[:120] if isinstance(value, str) else value)
    return text if len(text) <= 120 else text[:117] + "..."
