"""What a view's values must keep to before they reach the online store."""

from collections.abc import Mapping

from pydantic import Field, model_validator

from models.spec.errors import SpecError
from models.spec.part import LONGEST, Name, Strict

NUMBER = "number"
COMPARED = (NUMBER, "category")
"""The kinds of features whose distribution can drift; of a vector or a text only nulls are counted."""


class Expectation(Strict):
    """What one feature must keep to, over the newest row of every key; what is not named is not judged."""

    nulls: float | None = Field(default=None, ge=0, le=1, description="share of keys without a value, at most")
    min: float | None = Field(default=None, description="smallest value of a number")
    max: float | None = Field(default=None, description="largest value of a number")
    drift: float | None = Field(
        default=None,
        gt=0,
        description="distance from the last good materialisation, at most: numbers by the population stability index "
        "(PSI; .1 is little, .25 is much), categories by the total variation of their shares (0 to 1); missing and "
        "infinite values count as values, and a distance that chance alone makes is 0",
    )

    @model_validator(mode="after")
    def _ordered(self) -> "Expectation":
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"expected min of at most max ({self.max}); found {self.min}")
        return self


class Fresh(Strict):
    """A part whose rows must not be old when they are written online."""

    fresh_within_days: float | None = Field(
        default=None, gt=0, le=LONGEST, description="age of the view's newest row when it is written online, at most"
    )


class Expected(Fresh):
    """A part whose values are judged before they are written online."""

    expectations: dict[Name, Expectation] = Field(
        default={}, description="feature -> what it must keep to; a view that fails is not written, the last good stays"
    )


def check_expectations(part: Expected, kinds: Mapping[str, str], key: str, file: str) -> None:
    """Every expectation is on a feature that is there, and of a kind that it can judge; ``kinds``: name -> kind.

    Raises SpecError.
    """
    for name, expectation in part.expectations.items():
        where = f"{key}.expectations.{name}"
        if name not in kinds:
            raise SpecError(file, where, f"a feature of the view ({', '.join(kinds)})", repr(name))
        for bound in ("min", "max"):
            if getattr(expectation, bound) is not None and kinds[name] != NUMBER:
                raise SpecError(file, f"{where}.{bound}", "a number, which alone has a range", f"a {kinds[name]}")
        if expectation.drift is not None and kinds[name] not in COMPARED:
            raise SpecError(file, f"{where}.drift", "a number or a category", f"a {kinds[name]}")
