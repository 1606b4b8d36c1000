"""Business rules that serving applies to the scores and the order of a slate, exploration, and limits of age."""

from typing import Literal

from pydantic import Field

from models.spec.base import StrictModel
from models.spec.durations import Length, length_in_microseconds


class FrequencyCap(StrictModel):
    """Limits how many items a member is shown within a counter's window; items ranked beyond it are marked capped."""

    counter: str = Field(
        description="A counter keyed by member, or by member and surface. Its exposures are what is limited."
    )
    most: int = Field(
        gt=0, description="Exposures allowed within the counter's window. Smaller marks more of a slate as capped."
    )


class SeenDiscount(StrictModel):
    """Lowers the ranking score of an item that is in the member's last activities, through an edge of any type."""

    factor: float = Field(
        gt=0,
        lt=1,
        description="Multiplies the primary task's probability before ranking. Smaller ranks seen items lower.",
    )


class Diversity(StrictModel):
    """Limits how many items of one creator are ranked before items of other creators."""

    creation: str = Field(description="The intrinsic edge between the item and its creator.")
    most: int = Field(gt=0, description="Items of one creator; further ones are ranked behind all others.")


class Explore(StrictModel):
    """Orders a share of the slates at random. Their outcomes also tell about items that the model ranks low."""

    share: float = Field(
        ge=0,
        le=1,
        description="Share of the slates that are ordered at random. The server decides by an id of its own, not by "
        "the caller's. Larger learns more about low ranks and costs more clicks. 0 = none.",
        examples=[0.02],
    )
    rule: Literal["uniform"] = Field(
        default="uniform",
        description="How they are ordered. uniform: every order is equally likely. `diversity` and `frequency_cap` "
        "still hold: items that diversity puts behind all others stay there, and the cap counts ranks.",
    )


class MaxAge(StrictModel):
    """How old what is served may be, at the time of the request. What is older is served too, and flagged `stale`."""

    vectors: Length | None = Field(
        default=None,
        description="Age of a member's or an item's vectors, since the end of the data they were made from. None = no "
        "limit.",
    )
    counters: Length | None = Field(
        default=None,
        description="Age of the newest outcome in any counter. Needs a counter with a rate. None = no limit.",
    )
    collaborative: Length | None = Field(
        default=None,
        description="Age of a collaborative snapshot, since its cut, up to which one is not flagged although the next "
        "one should be visible by its `delay`. In time it is at most a day plus `delay`; a shorter limit changes "
        "nothing. Needs a collaborative block. None = flagged as soon as the next one should be visible.",
        examples=["51h"],
    )

    @property
    def vectors_span(self) -> int | None:
        """The limit for vectors in microseconds; None = no limit."""
        return None if self.vectors is None else length_in_microseconds(self.vectors)

    @property
    def counters_span(self) -> int | None:
        """The limit for counters in microseconds; None = no limit."""
        return None if self.counters is None else length_in_microseconds(self.counters)

    @property
    def collaborative_span(self) -> int | None:
        """The limit for collaborative snapshots in microseconds; None = no limit."""
        return None if self.collaborative is None else length_in_microseconds(self.collaborative)


class Serving(StrictModel):
    """Business rules and limits; one that is not given is off. They never change the probabilities."""

    frequency_cap: FrequencyCap | None = Field(
        default=None, description="Marks items beyond what a member may be shown in a period. None = no limit."
    )
    seen_discount: SeenDiscount | None = Field(
        default=None, description="Ranks items lower that the member already acted on. None = no discount."
    )
    diversity: Diversity | None = Field(
        default=None, description="Limits the items of one creator at the top of a slate. None = no limit."
    )
    explore: Explore | None = Field(
        default=None,
        description="Orders a share of the slates at random; each candidate then has its propensity. None = no slate "
        "is ordered at random.",
        examples=[{"share": 0.02}],
    )
    max_age: MaxAge = Field(
        default=MaxAge(), description="Flags a slate that was ranked from older vectors, counters or snapshots."
    )
