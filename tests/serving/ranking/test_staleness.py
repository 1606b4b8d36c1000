"""Staleness: ages against the spec's limits, at the time of the read; both sides of each limit exactly."""

from dataclasses import replace

import numpy as np
import pytest

from models.spec.serving import MaxAge
from models.time_units import HOUR
from serving.ranking.reader import MemberVectors, OnlineFeatures
from serving.ranking.staleness import COUNTERS, ITEMS, MEMBER, Staleness

NOW = 1_768_892_400_000_000
LIMITS = MaxAge(vectors="48h", counters="24h")


def online(member: int = NOW, items: tuple[int, ...] = (NOW, NOW, NOW), counters: int | None = NOW) -> OnlineFeatures:
    """Features read at ``NOW``, made from data up to these times."""
    nothing = OnlineFeatures.nothing(len(items))
    floats, texts = np.zeros(0, np.float32), np.zeros(0, object)
    return OnlineFeatures(
        member=MemberVectors("1", floats, floats, np.zeros(0, np.int64), texts, texts, member),
        items=replace(
            nothing.items, encoder=np.array(["1" if one else None for one in items], object), as_of=np.array(items)
        ),
        counters={},
        as_of=NOW,
        counters_as_of=counters,
    )


@pytest.mark.parametrize(
    ("found", "kinds", "items"),
    [
        (online(), (), 0),
        (online(member=NOW - 48 * HOUR), (), 0),
        (online(member=NOW - 48 * HOUR - 1), (MEMBER,), 0),
        (online(items=(NOW - 48 * HOUR, NOW, NOW)), (), 0),
        (online(items=(NOW - 48 * HOUR - 1, NOW, NOW - 99 * HOUR)), (ITEMS,), 2),
        (online(counters=NOW - 24 * HOUR), (), 0),
        (online(counters=NOW - 24 * HOUR - 1), (COUNTERS,), 0),
        (online(0, (1, 1, 1), 0), (MEMBER, ITEMS, COUNTERS), 3),
        (online(NOW + 1, (NOW + 1,) * 3, NOW + 1), (), 0),
    ],
)
def test_an_age_equal_to_its_limit_is_not_stale(found: OnlineFeatures, kinds: tuple[str, ...], items: int) -> None:
    assert Staleness.of(LIMITS, found) == Staleness(kinds, items)


@pytest.mark.parametrize(
    ("limits", "kinds"),
    [
        (MaxAge(), ()),
        (MaxAge(vectors="48h"), (MEMBER, ITEMS)),
        (MaxAge(counters="24h"), (COUNTERS,)),
    ],
)
def test_without_a_limit_nothing_is_too_old(limits: MaxAge, kinds: tuple[str, ...]) -> None:
    assert Staleness.of(limits, online(0, (1, 1, 1), 0)).kinds == kinds


def test_what_is_missing_is_cold_and_not_stale() -> None:
    old = online(1, (0, 1, 0), None)
    assert Staleness.of(LIMITS, old) == Staleness((MEMBER, ITEMS), 1)
    assert Staleness.of(LIMITS, replace(online(items=(0, 0, 0)), member=None)) == Staleness()
    assert Staleness.of(LIMITS, replace(OnlineFeatures.nothing(0), as_of=NOW)) == Staleness()
