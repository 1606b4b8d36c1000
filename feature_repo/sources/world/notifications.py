"""Notifications: their content, audience, delivery times and surfaces."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from feature_repo.sources.world.behavior import Events
from feature_repo.sources.world.content import Content
from feature_repo.sources.world.draw import CHUNK, DAY, HOUR, Floats, Groups, Ints, choose, hour_fit
from feature_repo.sources.world.members import Members
from feature_repo.sources.world.network import Network

KINDS = ("creator_post", "post_share", "suggested_post", "job_alert")
_KIND_SHARE = (0.28, 0.26, 0.16, 0.30)
_TARGETED = np.array([0.9, 0.65, 0.0, 0.0])  # share sent to followers, or to connections of members who engaged
_TASTE = 1.2
_CANDIDATES = 4
SURFACES = ("notification", "email")
EMAIL_SHARE = 0.28
LIFE = 4 * DAY


@dataclass(frozen=True)
class Notifications:
    """One entry per notification, sorted by creation; ``post`` is -1 for job notifications, ``job`` for others."""

    kind: Ints
    created: Ints
    post: Ints
    job: Ints
    direction: Floats  # of what it mentions


@dataclass(frozen=True)
class Deliveries:
    """One entry per delivery, sorted by time: (deliveries,) each."""

    member: Ints
    notification: Ints
    time: Ints
    surface: Ints


def make_notifications(
    rng: np.random.Generator, content: Content, feed: Events, count: int, days: int
) -> Notifications:
    """Draw the notifications: about new posts, posts that others engaged with, and new jobs."""
    kind = rng.choice(len(KINDS), count, p=_KIND_SHARE)
    created = np.sort(rng.integers(6 * HOUR, days * DAY - 6 * HOUR, count))
    newest = np.searchsorted(content.post_created, created - HOUR) - 1
    fresh = np.maximum(newest - rng.exponential(len(content.post_created) / days * 0.5, count).astype(np.int64), 0)
    seen = np.searchsorted(feed.time, created) - 1
    back = rng.exponential(len(feed.time) / days * 0.7, count).astype(np.int64)
    shared = feed.target[np.maximum(seen - back, 0)]
    post = np.where(kind == KINDS.index("creator_post"), fresh, shared)
    newest = np.searchsorted(content.job_created, created - HOUR) - 1
    job = np.maximum(newest - rng.exponential(len(content.job_created) / days * 3, count).astype(np.int64), 0)
    is_job = kind == KINDS.index("job_alert")
    return Notifications(
        kind=kind,
        created=created,
        post=np.where(is_job, -1, post),
        job=np.where(is_job, job, -1),
        direction=np.where(is_job[:, None], content.job_direction[job], content.post_direction[post]),
    )


def deliver(
    rng: np.random.Generator,
    members: Members,
    content: Content,
    network: Network,
    feed: Events,
    notifications: Notifications,
    tries: int,
    days: int,
) -> Deliveries:
    """Choose an audience for every notification, and a delivery time for every member in it."""
    item = np.repeat(np.arange(len(notifications.kind)), tries)
    ties = _Ties(
        followers=Groups(network.creator, network.follower, network.followed, len(content.creator_reach)),
        engaged=Groups(feed.target, feed.member, feed.time, len(content.post_created)),
        connections=Groups(network.member, network.connection, network.connected, len(members.joined)),
    )
    drawn = [
        _audience(rng, members, content, ties, notifications, item[start : start + CHUNK])
        for start in range(0, len(item), CHUNK)
    ]
    member = np.concatenate(drawn)
    time = _when(rng, members, member, notifications.created[item])
    kept = (time > members.joined[member] + HOUR) & (time < days * DAY)
    kept &= _first(member, item, len(members.joined))
    member, item, time = member[kept], item[kept], time[kept]
    surface = (rng.random(len(member)) < EMAIL_SHARE).astype(np.int64)
    order = np.lexsort((member, item, time))
    return Deliveries(member[order], item[order], time[order], surface[order])


class _Ties(NamedTuple):
    """Relations that determine a notification's audience."""

    followers: Groups
    engaged: Groups
    connections: Groups


def _audience(
    rng: np.random.Generator,
    members: Members,
    content: Content,
    ties: _Ties,
    notifications: Notifications,
    item: Ints,
) -> Ints:
    """One member per delivery, drawn among candidates by delivery rate and interest match.  (n,) -> (n,)"""
    kind, created, post = notifications.kind[item], notifications.created[item], notifications.post[item]
    candidates = rng.integers(0, len(members.joined), (len(item), _CANDIDATES))
    targeted = rng.random(len(item)) < _TARGETED[kind]

    rows = np.flatnonzero(targeted & (kind == KINDS.index("creator_post")))
    picked, found = ties.followers.pick(rng, content.post_creator[post[rows]], created[rows], _CANDIDATES)
    candidates[rows[found]] = picked[found]

    rows = np.flatnonzero(targeted & (kind == KINDS.index("post_share")))
    who, found = ties.engaged.pick(rng, post[rows], created[rows], 1)
    rows, who = rows[found], who[found, 0]
    picked, found = ties.connections.pick(rng, who, created[rows], _CANDIDATES)
    candidates[rows[found]] = picked[found]

    when = np.repeat(created, _CANDIDATES)
    interest = members.interest(candidates.ravel(), when).reshape(*candidates.shape, -1)
    match = np.einsum("nkd,nd->nk", interest, notifications.direction[item])
    score = np.log(members.delivery_rate[candidates]) + _TASTE * match
    return candidates[np.arange(len(item)), choose(rng, score)]


def _when(rng: np.random.Generator, members: Members, member: Ints, created: Ints) -> Ints:
    """Some hours after creation; half of the deliveries take the better of two times of the member's day.  (n,)"""
    one, other = (
        created + 300 + np.minimum(rng.exponential(20 * HOUR, len(member)), LIFE).astype(np.int64) for _ in range(2)
    )
    peak = members.peak_hour[member]
    better = (hour_fit(other, peak) > hour_fit(one, peak)) & (rng.random(len(member)) < 0.5)
    return np.where(better, other, one)


def _first(member: Ints, item: Ints, members: int) -> NDArray[np.bool_]:
    """True at the first row of each (member, item): (n,) bool."""
    _, first = np.unique(item * members + member, return_index=True)
    kept = np.zeros(len(member), bool)
    kept[first] = True
    return kept
