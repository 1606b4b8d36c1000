"""Time features of a spec: what is derived from the time of an impression, or of a request."""

from typing import Literal

from pydantic import Field, model_validator

from models.spec.base import Name, StrictModel


class TimeFeature(StrictModel):
    """One feature from the impression's time: an age, or what the local clock shows."""

    since: Name | None = Field(
        default=None,
        description="Feature of type `time` of the member or the item. The time feature is log(1 + hours) since then, "
        "a number; missing where that time is unknown or in the future.",
        examples=["published"],
    )
    clock: Literal["hour", "weekday"] | None = Field(
        default=None,
        description="Hour (0 to 23) or weekday (0 = Monday) of the impression in `timezone`, daylight saving time "
        "included; a category.",
        examples=["hour"],
    )

    @model_validator(mode="after")
    def _check_one(self) -> "TimeFeature":
        if (self.since is None) == (self.clock is None):
            found = "neither" if self.since is None else "both"
            raise ValueError(f"expected either `since` or `clock`; found {found}")
        return self

    @property
    def kind(self) -> Literal["number", "category"]:
        """The type of the feature."""
        return "category" if self.since is None else "number"
