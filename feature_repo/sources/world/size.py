"""How large a world is. All sizes follow the same rules, so that a result on one says something about the others."""

from dataclasses import dataclass


@dataclass(frozen=True)
class WorldSize:
    """Counts of what a world of 60 days holds."""

    members: int
    creators: int
    companies: int
    posts: int
    jobs: int
    notifications: int
    deliveries: int = 54
    """Deliveries that are tried per notification; some fall to members who had it already or have not joined yet."""


SIZES: dict[str, WorldSize] = {
    "tiny": WorldSize(members=300, creators=60, companies=20, posts=900, jobs=200, notifications=160),
    "default": WorldSize(members=5_500, creators=400, companies=300, posts=12_000, jobs=2_400, notifications=6_700),
    "large": WorldSize(
        members=55_000, creators=3_000, companies=2_000, posts=90_000, jobs=20_000, notifications=67_000
    ),
}
"""About 7 thousand, 300 thousand and 3 million impressions."""
