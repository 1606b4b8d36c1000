"""Expectations: what a view's values must satisfy before they are written to the online store."""

from collections.abc import Mapping

from pydantic import Field, model_validator

from models.spec.base import LONGEST_DAYS, Name, StrictModel
from models.spec.errors import SpecError

NUMBER = "number"


class Expectation(StrictModel):
    """Bounds of one feature over the newest row of every key; a bound that is not given is not checked."""

    nulls: float | None = Field(
        default=None, ge=0, le=1, description="Largest share of keys without a value. 0 = every key needs one."
    )
    min: float | None = Field(
        default=None, description="Smallest value, in the feature's unit. Only for features of type number."
    )
    max: float | None = Field(
        default=None, description="Largest value, in the feature's unit. Only for features of type number."
    )
    drift: float | None = Field(
        default=None,
        gt=0,
        description="Largest distance from the last materialization that passed. Numbers: population stability index "
        "(PSI; 0.1 is little, 0.25 is much). Categories: total variation distance of the shares, 0 to 1. Vectors: PSI "
        "of their norms. Texts: PSI of their numbers of characters. Missing and infinite values count as values; a "
        "distance within chance counts as 0. The drift report takes it as its threshold too, which is 0.1 otherwise.",
    )

    @model_validator(mode="after")
    def _check_order(self) -> "Expectation":
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"expected min of at most max ({self.max}); found {self.min}")
        return self


class FreshView(StrictModel):
    """A view whose newest row must be recent when the view is written online."""

    fresh_within_days: float | None = Field(
        default=None,
        gt=0,
        le=LONGEST_DAYS,
        description="Largest age in days of the view's newest row at the time of writing it online. A view whose "
        "newest row is older is not written. None = not checked.",
        examples=[7],
    )


class CheckedView(FreshView):
    """A view whose values are checked before they are written online."""

    expectations: dict[Name, Expectation] = Field(
        default={},
        description="Feature -> its bounds. A view that breaks one is not written: the online store keeps the last "
        "good values.",
    )


def check_expectations(view: CheckedView, kinds: Mapping[str, str], key: str, file: str) -> None:
    """Check that every expectation is on a feature of the view, of a kind that has such a bound.

    ``kinds``: feature -> kind. Raises SpecError.
    """
    for name, expectation in view.expectations.items():
        where = f"{key}.expectations.{name}"
        if name not in kinds:
            raise SpecError(file, where, f"a feature of the view ({', '.join(kinds)})", repr(name))
        for bound in ("min", "max"):
            if getattr(expectation, bound) is not None and kinds[name] != NUMBER:
                raise SpecError(file, f"{where}.{bound}", "a number, the only kind with a range", f"a {kinds[name]}")
