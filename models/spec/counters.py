"""Counters and measures: statistics of the impressions, aggregated by key."""

from pydantic import Field, field_validator, model_validator

from models.spec.base import Filter, Name, StrictModel, check_unique_values
from models.spec.durations import Length, length_in_microseconds
from models.spec.expectations import FreshView

ROLES = ("member", "item", "surface")
"""Keys that every impression has; any other key of a counter is a category feature of the item."""


class Measure(StrictModel):
    """A whole-number outcome that counters rate beside the tasks, such as the share of a video that was played."""

    column: str = Field(
        description="One of `impressions.outcomes`; it holds whole numbers from 0 to `scale`. Ingest rejects others."
    )
    scale: int = Field(
        default=1,
        gt=0,
        le=2**31,
        description="Largest value of the column, in its own unit. Values are divided by it, so that a rate is from 0 "
        "to 1.",
    )


class Residuals(StrictModel):
    """What counters with `residual: true` subtract from an outcome: item rate + surface rate - overall rate.

    The rates are those of the snapshot that was visible at the impression. A snapshot counts outcomes that settled
    before a local midnight.
    """

    delay: Length = Field(
        default="3h",
        description="From the midnight of a snapshot to the time from which it is visible.",
        examples=["6h"],
    )
    smoothing: int = Field(
        default=20,
        gt=0,
        le=1_000_000,
        description="Number of pseudo-outcomes at the overall rate in the rates of an item and of a surface.",
        examples=[50],
    )
    within_days: int = Field(
        default=3,
        ge=1,
        le=30,
        description="An outcome that settles later after its impression has no residual. The online store keeps the "
        "snapshots of this many days.",
        examples=[7],
    )

    @property
    def delay_span(self) -> int:
        """The delay in microseconds."""
        return length_in_microseconds(self.delay)


class Counter(FreshView):
    """Statistics of the impressions by key, as of any moment: a feature view named after the counter.

    Exposures count when they happen, outcomes when they settle. The view holds integers, and one function turns them
    into features: ``<counter>_exposures``, ``<counter>_<rate>_rate`` (smoothed), ``<counter>_recency``,
    ``<counter>_last<j>_<rate>``, ``<counter>_exposure<j>_gap``, ``..._pending``, ``..._same_<name>``,
    ``..._outcome_<rate>``.
    """

    keys: list[Name] = Field(
        min_length=1,
        max_length=2,
        description="What the counts are grouped by: member, item, surface, or a category feature of the item. Two "
        "keys count each pair of values.",
    )
    filter: Filter = Field(
        default={},
        description="Only impressions with these values are counted: column -> values. Columns must be known at "
        "request time, so outcomes are errors. Empty = all impressions.",
        examples=[{"surface": ["notification"]}],
    )
    window: Length | None = Field(
        default=None,
        description="Length of the trailing window: a whole number with s, m, h or d (60s, 10m, 6h, 3d). The window "
        "moves in steps of a sixteenth of its length. None = since the beginning.",
    )
    rates: list[str] | None = Field(
        default=None,
        description="Tasks and measures whose rates become features. None = all of them; [] = count exposures only.",
    )
    smoothing: float = Field(
        default=20.0,
        gt=0,
        description="Number of pseudo-outcomes that are added at the average rate of all impressions so far. A larger "
        "number pulls keys with few outcomes closer to that average.",
    )
    recency: bool = Field(
        default=False,
        description="Adds a feature: the time since the key was last shown, as log(1 + seconds).",
    )
    last: int = Field(
        default=0,
        ge=0,
        le=20,
        description="Adds the key's last outcomes one by one, newest first: how many for each rate. 0 = none.",
    )

    residual: bool = Field(
        default=False,
        description="Adds for each rate the mean of outcome minus expectation, smoothed toward 0, as "
        "`<counter>_<rate>_mean_residual`: what the key does beyond what item and surface explain (`residuals`).",
        examples=[True],
    )
    last_exposures: int = Field(
        default=0,
        ge=0,
        le=5,
        description="Adds the key's last exposures one by one, newest first: the time since each as log(1 + seconds), "
        "whether its outcome was still pending, what it shares with the row (`compare`), and its outcome for each rate "
        "if it had settled. 0 = none.",
        examples=[3],
    )
    compare: list[Name] = Field(
        default=[],
        max_length=8,
        description="What a row is compared with each of the last exposures in: surface, item, or category features of "
        "the item. Each adds a feature per exposure: 1 = the same, 0 = another, missing = unknown.",
        examples=[["surface", "first_tag"]],
    )

    @field_validator("keys", "rates", "compare")
    @classmethod
    def _check_unique(cls, value: list[str] | None) -> list[str] | None:
        return value if value is None else check_unique_values(value)

    @model_validator(mode="after")
    def _check_last(self) -> "Counter":
        if self.last and self.rates == []:
            raise ValueError(f"last: expected 0, since `rates` is empty; found {self.last}")
        if self.residual and self.rates == []:
            raise ValueError("residual: expected false, since `rates` is empty; found true")
        if self.compare and not self.last_exposures:
            raise ValueError(f"compare: expected `last_exposures` beside it; found {', '.join(self.compare)} alone")
        return self

    @property
    def span(self) -> int | None:
        """The window in microseconds; None = since the beginning."""
        return None if self.window is None else length_in_microseconds(self.window)
