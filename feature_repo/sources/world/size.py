"""Sizes of simulated worlds. All follow the same rules, so that results on one size carry over to the others."""

from dataclasses import dataclass


@dataclass(frozen=True)
class WorldSize:
    """Counts of entities in a world of 60 days."""

    members: int
    creators: int
    companies: int
    posts: int
    jobs: int
    notifications: int
    deliveries: int = 54
    """Attempted deliveries per notification; dropped if the member already got it or has not joined yet."""


SIZES: dict[str, WorldSize] = {
    "tiny": WorldSize(members=300, creators=60, companies=20, posts=900, jobs=200, notifications=160),
    "default": WorldSize(members=5_500, creators=400, companies=300, posts=12_000, jobs=2_400, notifications=6_700),
    "large": WorldSize(
        members=55_000, creators=3_000, companies=2_000, posts=90_000, jobs=20_000, notifications=67_000
    ),
}
"""About 7 thousand, 300 thousand and 3 million impressions."""
