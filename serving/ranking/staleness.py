"""Staleness: which of what is behind a slate is older than its schedule or the spec's ``serving.max_age`` allows."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from models.spec.serving import MaxAge
from serving.ranking.reader import OnlineFeatures

MEMBER, ITEMS, COUNTERS, COLLABORATIVE = "member_vectors", "item_vectors", "counters", "collaborative"
KINDS = (MEMBER, ITEMS, COUNTERS, COLLABORATIVE)
"""What can be stale, in the order of a response."""


@dataclass(frozen=True)
class Staleness:
    """What a slate was ranked from although it is too old."""

    kinds: tuple[str, ...] = ()
    """Some of ``KINDS``."""
    items: int = 0
    """Number of candidates with stale vectors."""

    @classmethod
    def of(cls, limits: MaxAge, online: OnlineFeatures) -> Self:
        """Compare ages at the time of the read with the limits; an age equal to its limit is not stale.

        Vectors of another encoder count too: the model does not read them, but the business rules read the activities
        and creators beside them. What is missing is cold, never stale; so are counters whose newest outcome is unknown.
        A collaborative snapshot is stale where a newer one should be there by the schedule; a limit only loosens that.
        Rows that do not fit are stale whatever the limit: one of the two views was not written.
        """
        stale_member, stale_items, stale_counters = False, 0, False
        if (most := limits.vectors_span) is not None:
            oldest = online.as_of - most
            stale_member = online.member is not None and online.member.as_of < oldest
            present = np.array([encoder is not None for encoder in online.items.encoder], bool)
            stale_items = int(np.count_nonzero(present & (online.items.as_of < oldest)))
        if (most := limits.counters_span) is not None and online.counters_as_of is not None:
            stale_counters = online.counters_as_of < online.as_of - most
        collaborative = online.collaborative
        stale_collaborative = collaborative.mixed
        if collaborative.late is not None:
            most = limits.collaborative_span
            stale_collaborative |= most is None or collaborative.late < online.as_of - most
        found = (stale_member, stale_items > 0, stale_counters, stale_collaborative)
        return cls(tuple(kind for kind, stale in zip(KINDS, found, strict=True) if stale), stale_items)


NOTHING_STALE = Staleness()
