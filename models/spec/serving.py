"""Business rules of serving: what is done to the scores, and to the order, of a slate before it is answered."""

from pydantic import Field

from models.spec.part import Strict


class FrequencyCap(Strict):
    """How many items a member may be shown within a counter's window: the ranking beyond it is marked as capped."""

    counter: str = Field(description="a counter keyed by the member, alone or with the surface; its exposures count")
    most: int = Field(gt=0, description="exposures within the counter's window")


class SeenDiscount(Strict):
    """What becomes, before the ranking, of an item that one of the member's last activities leads to, by any edge."""

    factor: float = Field(gt=0, lt=1, description="of the primary task's probability that is left to rank by")


class Diversity(Strict):
    """How many items of one creator stand in a row of the ranking before another creator's go first."""

    creation: str = Field(description="the intrinsic edge between the item and its creator")
    most: int = Field(gt=0, description="items of one creator; further ones follow after all others")


class Serving(Strict):
    """Business rules, each off where it is not given. Probabilities are answered as they were predicted."""

    frequency_cap: FrequencyCap | None = None
    seen_discount: SeenDiscount | None = None
    diversity: Diversity | None = None
