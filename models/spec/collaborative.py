"""Collaborative features: what similar members did with an item, and this member with similar items."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from models.spec.base import Allowed, Name, StrictModel, check_unique_values
from models.time_units import length

MOST_DELAY_DAYS = 1
"""Longest delay, in days: a snapshot is visible before the next one is cut."""
CollaborativeKind = Literal["base", "item_item", "positive_item_item", "low_rank", "ease", "user_user"]


def _check_delay(text: str) -> str:
    length(text, MOST_DELAY_DAYS, zero=True)
    return text


Delay = Annotated[str, AfterValidator(_check_delay), Allowed("0s to 1d")]
"""A duration of at most a day, as a whole number with its unit."""


class Collaborative(StrictModel):
    """Features of a member and an item from what all members did with all items, as of a daily snapshot.

    A snapshot of the midnight ``cut`` reads events strictly before it, and is visible from ``cut`` + ``delay`` on. With
    `domains`, a block with an event outside of them is left out.
    """

    events: list[Name] = Field(
        min_length=2,
        description="Edge types from the member's node to the item's: every event of such a pair.",
        examples=[["skipped", "clicked", "long_viewed"]],
    )
    outcome: list[Name] = Field(
        min_length=1,
        description="Which of `events` are positive; the others are negative.",
        examples=[["long_viewed"]],
    )
    refresh: Literal["daily"] = Field(
        default="daily", description="How often a snapshot is made. daily: at midnight in the spec's `timezone`."
    )
    delay: Delay = Field(
        default="3h",
        description="How long after its midnight a snapshot is visible: a whole number with s, m, h or d. Run "
        "`ingest` after midnight and `materialize` after midnight + `delay`, which must be long enough for ingest.",
        examples=["90m"],
    )
    kinds: list[CollaborativeKind] = Field(
        default=["base", "item_item", "positive_item_item", "low_rank"],
        min_length=1,
        description="Which features. base: mean + member effect + item effect. item_item: how the member liked items "
        "that the same members saw. positive_item_item: the same of positive events. low_rank: product of factors of "
        "the member and the item. ease: a linear model of the member's positive items, for at most 10,000 items with "
        "positive events. user_user: how members who saw the same items liked this one.",
        examples=[["base", "item_item"]],
    )
    neighbors: int = Field(
        default=50,
        ge=1,
        le=200,
        description="Neighbors that an item keeps, for each kind. More cost space in the online store.",
        examples=[30],
    )
    history: int = Field(
        default=200,
        ge=1,
        le=1000,
        description="A member counts with this many items, those of its newest events. More cost space in the online "
        "store and time.",
        examples=[100],
    )
    rank: int = Field(
        default=24, ge=1, le=128, description="For low_rank and user_user: length of the factors.", examples=[16]
    )

    @field_validator("events", "outcome", "kinds")
    @classmethod
    def _check_unique(cls, value: list[str]) -> list[str]:
        return check_unique_values(value)

    @model_validator(mode="after")
    def _check_outcome(self) -> "Collaborative":
        for name in self.outcome:
            if name not in self.events:
                raise ValueError(f"outcome: expected some of events ({', '.join(self.events)}); found {name!r}")
        if len(self.outcome) == len(self.events):
            raise ValueError(f"outcome: expected some of events, not all; found {', '.join(self.outcome)}")
        return self

    @property
    def delay_time(self) -> int:
        """The delay in microseconds."""
        return length(self.delay, MOST_DELAY_DAYS, zero=True)
