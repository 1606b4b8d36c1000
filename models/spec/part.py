"""What every part of a spec has in common: its base, its names, its longest time."""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from models.spec.errors import SpecError

LONGEST = 3660
"""No span of a spec is longer than this many days: ten years."""

Value = bool | int | float | str
Filter = dict[str, list[Value]]
"""Column -> the values that are kept; all columns must match."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,60}")


class Strict(BaseModel):
    """Base of every part of the spec: unknown keys are errors, numbers are finite, values are fixed once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _named(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"expected a name of at most 61 letters, digits and _, a letter first; found {name!r}")
    return name


Name = Annotated[str, AfterValidator(_named)]
"""Names become names of files, columns and views."""


def check_name(file: str, key: str, expected: str, name: str, owners: dict[str, str]) -> None:
    """Note at which key a name stands. Raises SpecError if it is taken: engines do not tell upper from lower case."""
    owner = owners.setdefault(name.lower(), key)
    if owner != key:
        raise SpecError(file, key, f"{expected}, upper or lower case alike", f"also at {owner}")


def listed_once(values: list[str]) -> list[str]:
    """The values, if none stands twice. Raises ValueError."""
    repeated = [value for value in values if values.count(value) > 1]
    if repeated:
        raise ValueError(f"expected every value once; found {repeated[0]!r} twice")
    return values
