"""Sessions of a live world: when a member looks, on which surface, and which notifications could be shown."""

from dataclasses import dataclass

import numpy as np

from feature_repo.sources.world.draw import DAY, HOUR, Ints
from feature_repo.sources.world.notifications import EMAIL_SHARE, LIFE
from feature_repo.sources.world.world import World

NOBODY = -1
"""Stands for no notification, where a session has fewer candidates than others."""
SLOT = HOUR // 2
"""Seconds: sessions begin at the half-hours, so that those of one half-hour may share a request."""
_FRESH = 300  # seconds from a notification's creation until it can be shown


@dataclass(frozen=True)
class Sessions:
    """One entry per session, by time; each shows one notification of its candidates."""

    member: Ints
    time: Ints
    surface: Ints
    candidates: Ints  # (sessions, most candidates): notifications, ``NOBODY`` where there are no more


def draw_sessions(
    rng: np.random.Generator, world: World, first: int, days: int, each_day: float, candidates: int
) -> Sessions:
    """The sessions of the days from ``first`` to ``days``, ``each_day`` a member and day on average.

    A notification is a candidate for a member once, in the four days after its creation: what is shown in one session
    changes no other session's candidates.
    """
    member, time = _moments(rng, world, first, days, each_day)
    offered = np.full((len(member), candidates), NOBODY)
    history = world.sent.time < first * DAY
    items = len(world.notifications.created)
    seen = np.zeros((len(world.members.joined), items), bool)
    seen[world.sent.member[history], world.sent.notification[history]] = True
    created = world.notifications.created
    begin, end = np.searchsorted(created, time - LIFE), np.searchsorted(created, time - _FRESH)
    for row, who in enumerate(member):
        there = np.flatnonzero(~seen[who, begin[row] : end[row]]) + begin[row]
        chosen = rng.permutation(there)[:candidates]
        offered[row, : len(chosen)] = chosen
        seen[who, chosen] = True
    some = offered[:, 0] != NOBODY
    surface = (rng.random(len(member)) < EMAIL_SHARE).astype(np.int64)
    return Sessions(member[some], time[some], surface[some], offered[some])


def _moments(rng: np.random.Generator, world: World, first: int, days: int, each_day: float) -> tuple[Ints, Ints]:
    """Members and times of sessions, by time: (n,) each; active members come more often, around their peak hour."""
    members = world.members
    count, span = len(members.joined), days - first
    everyone = np.repeat(np.arange(count), span)
    midnight = np.tile(np.arange(first, days) * DAY, count)
    rate = members.delivery_rate / members.delivery_rate.mean()
    comes = rng.poisson(each_day * rate[everyone])
    member, day = np.repeat(everyone, comes), np.repeat(midnight, comes)
    hour = (members.peak_hour[member] + rng.vonmises(0.0, 1.6, len(member)) * (12 / np.pi)) % 24
    time = day + (hour * HOUR).astype(np.int64) // SLOT * SLOT
    there = time > members.joined[member] + HOUR
    time, member = np.unique(np.stack([time[there], member[there]]), axis=1)  # by time, a member once in a half-hour
    return member, time
