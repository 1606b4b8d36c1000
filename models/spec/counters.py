"""Counters and measures of a spec: which statistics of the impressions are kept, by which keys."""

import re

from pydantic import Field, field_validator, model_validator

from models.spec.expectations import Fresh
from models.spec.part import LONGEST, Filter, Name, Strict, listed_once

ROLES = ("member", "item", "surface")
"""Keys that every impression has; any other key of a counter is a category feature of the item."""

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_WINDOW = re.compile(r"([1-9][0-9]{0,9})([smhd])", re.ASCII)


class Measure(Strict):
    """An outcome in whole numbers that counters rate beside the tasks, such as the share of a video that was played."""

    column: str = Field(description="one of impressions.outcomes, in whole numbers from 0 to `scale`")
    scale: int = Field(default=1, gt=0, le=2**31, description="the column's largest value: a rate is from 0 to 1")


class Counter(Fresh):
    """Statistics of the impressions by key, to the millisecond: an ordinary feature view named after the counter.

    Exposures count when they happen, outcomes when they settle. The view holds integers, and one function turns them
    into features: ``<counter>_exposures``, ``<counter>_<rate>_rate`` (smoothed), ``<counter>_recency``,
    ``<counter>_last<j>_<rate>``.
    """

    keys: list[Name] = Field(
        min_length=1, max_length=2, description="member, item, surface or a category feature of the item"
    )
    filter: Filter = Field(default={}, description="impressions that count: by columns known at request time")
    window: str | None = Field(
        default=None, description="such as 60s, 10m, 6h, 3d, in steps of a sixteenth; none = since the beginning"
    )
    rates: list[str] | None = Field(
        default=None, description="tasks and measures; none = all of them, [] = exposures alone"
    )
    smoothing: float = Field(default=20.0, gt=0, description="pseudo-outcomes at the rate of all impressions so far")
    recency: bool = Field(default=False, description="also the time since the key was last shown")
    last: int = Field(default=0, ge=0, le=20, description="also the key's last outcomes, newest first: how many")

    @field_validator("keys", "rates")
    @classmethod
    def _listed_once(cls, value: list[str] | None) -> list[str] | None:
        return value if value is None else listed_once(value)

    @field_validator("window")
    @classmethod
    def _length(cls, value: str | None) -> str | None:
        if value is not None and not 0 < _microseconds(value) <= LONGEST * 86_400_000_000:
            raise ValueError(f"expected a length such as 60s, 10m, 6h or 3d, at most {LONGEST}d; found {value!r}")
        return value

    @model_validator(mode="after")
    def _last_of_something(self) -> "Counter":
        if self.last and self.rates == []:
            raise ValueError(f"last: expected 0, since `rates` is empty; found {self.last}")
        return self

    @property
    def span(self) -> int | None:
        """The window in microseconds; None = since the beginning."""
        return None if self.window is None else _microseconds(self.window)


def _microseconds(text: str) -> int:
    """The length that a text says; 0 where it says none."""
    match = _WINDOW.fullmatch(text)
    return int(match.group(1)) * _SECONDS[match.group(2)] * 1_000_000 if match else 0
