"""Sampled negatives of a spec: for a log of positives only, which items stand for what was not chosen."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from models.spec.base import Days, Name, StrictModel, check_unique_values

Rate = Annotated[float, Field(gt=0, lt=1)]
"""A share of candidates, neither none nor all."""


class Alive(StrictModel):
    """When an item can be drawn as a negative: the table that says when its life begins and ends.

    An item with several rows lives from the earliest start to the latest end; one without a row is never drawn.
    """

    table: Name = Field(description="Canonical table of the adapter with the item's key.", examples=["articles"])
    key: Name | None = Field(
        default=None, description="Its column with the item's key. None = the item's `key`.", examples=["article_id"]
    )
    start: Name = Field(description="Its column with the time from which the item exists.", examples=["published"])
    end: Name | None = Field(
        default=None,
        description="Its column with the time from which it no longer does; null = it still does. None = no item ends.",
        examples=["expired"],
    )


class SampleNegatives(StrictModel):
    """Negatives for a log that holds positives only: items that the member could have chosen at that time.

    They are rows to train and to judge on, and nothing else: no counter, edge, activity or prior sees them.
    """

    per_positive: int = Field(default=4, ge=1, le=100, description="Negatives for each positive.", examples=[8])
    by: Literal["uniform", "popularity", "recent"] = Field(
        default="uniform",
        description="How they are drawn from the items that are alive: all alike; in proportion to their positives so "
        "far to the power of `power`; or all alike of those with a start or a positive today or in the last `days` "
        "days.",
    )
    power: float = Field(
        default=0.75,
        ge=0,
        le=1,
        description="Exponent of `by: popularity`; 1 = in proportion to positives, 0 = all alike.",
        examples=[0.5],
    )
    days: Days = Field(default=7, description="Length of `by: recent`.", examples=[2])
    alive: Alive | None = Field(
        default=None,
        description="When items begin and end. None = an item is alive after its first positive in the log.",
        examples=[{"table": "articles", "start": "published", "end": "expired"}],
    )
    repeats: bool = Field(
        default=True,
        description="Whether an item may be drawn that the member has chosen before. false: then its second positive "
        "is not trained on either.",
        examples=[False],
    )
    zero: list[Name] = Field(
        default=[],
        description="Tasks besides the primary one for which a negative counts as 0. For all others it has no label.",
        examples=[["engage"]],
    )
    real_rate: dict[Name, Rate] = Field(
        default={},
        description="By task: the share of the candidates shown in your product that become positive. Probabilities "
        "are corrected to it. A task without it has relative probabilities: they rank, and their level means nothing.",
        examples=[{"click": 0.03}],
    )
    seed: int = Field(default=7, ge=0, lt=2**31, description="Another one draws other items.", examples=[8])

    @model_validator(mode="after")
    def _check_zero(self) -> Self:
        check_unique_values(list(self.zero))
        return self
