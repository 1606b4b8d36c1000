"""Member behavior in the feed and job board, driven by the same interests as the later notification clicks."""

from dataclasses import dataclass

import numpy as np

from feature_repo.sources.world.content import Content
from feature_repo.sources.world.draw import CHUNK, DAY, HOUR, Floats, Groups, Ints, choose
from feature_repo.sources.world.members import Members
from feature_repo.sources.world.network import Network, similarity

FEED_ACTIONS = ("long_view", "like", "comment")
JOB_ACTIONS = ("view", "apply")
_CANDIDATES = 12
_FOLLOWED = 3  # how many feed candidates come from followed creators
_TASTE = 8.0
_JOB_RATE = 0.06  # per day, when not looking for a job
_JOB_SEEKING = 12.0  # factor when looking for a job


@dataclass(frozen=True)
class Events:
    """Rows of (member, target, time, action), sorted by time: (events,) each."""

    member: Ints
    target: Ints
    time: Ints
    action: Ints


def feed_events(rng: np.random.Generator, members: Members, content: Content, network: Network, days: int) -> Events:
    """Engagements with recent posts, preferring matching interests and followed creators."""
    member, time = _moments(rng, members, members.feed_rate, days, seeking_factor=1.0)
    follows = Groups(network.follower, network.creator, network.followed, len(members.joined))
    authored = np.arange(len(content.post_creator))
    posts_by = Groups(content.post_creator, authored, content.post_created, len(content.creator_reach))
    per_day = len(content.post_created) / (days + 4)
    target = np.empty(len(member), np.int64)
    for start in range(0, len(member), CHUNK):
        part = slice(start, start + CHUNK)
        who, when = member[part], time[part]
        recent = _recent(rng, content.post_created, when, 1.2 * per_day, _CANDIDATES)
        creators, follows_any = follows.pick(rng, who, when, _FOLLOWED)
        for place in range(_FOLLOWED):
            written = posts_by.before(creators[:, place], when)
            latest = posts_by.value[np.maximum(posts_by.start[creators[:, place]] + written - 1, 0)]
            fresh = follows_any & (written > 0) & (when - content.post_created[latest] < 4 * DAY)
            recent[fresh, place] = latest[fresh]
        score = _match(members, who, when, content.post_direction[recent]) + 0.5 * content.post_quality[recent]
        score[:, :_FOLLOWED] += 1.0
        target[part] = recent[np.arange(len(who)), choose(rng, score)]
    keen = similarity(members.interest(member, time), content.post_direction[target]) + 0.3 * rng.standard_normal(
        len(member)
    )
    action = (keen > 0.55).astype(np.int64) + (keen > 1.1)
    return _once(member, target, time, action)


def job_events(rng: np.random.Generator, members: Members, content: Content, days: int) -> Events:
    """Job views and applications: rare, but frequent while a member looks for a job."""
    rate = np.full(len(members.joined), _JOB_RATE)
    member, time = _moments(rng, members, rate, days, seeking_factor=_JOB_SEEKING)
    per_day = len(content.job_created) / (days + 20)
    offered = _recent(rng, content.job_created, time, 6 * per_day, _CANDIDATES)
    distance = np.abs(members.seniority_at(member, time)[:, None] - content.job_seniority[offered])
    score = _match(members, member, time, content.job_direction[offered]) - 0.8 * distance
    target = offered[np.arange(len(member)), choose(rng, score + 0.4 * content.job_quality[offered])]
    applies = rng.random(len(member)) < np.where(members.seeking(member, time), 0.25, 0.05)
    return _once(member, target, time, applies.astype(np.int64))


def _moments(
    rng: np.random.Generator, members: Members, rate: Floats, days: int, seeking_factor: float
) -> tuple[Ints, Ints]:
    """Members and times of actions, (n,) each, sorted by time: daily counts by activity, hours around the peak."""
    count = len(members.joined)
    everyone = np.repeat(np.arange(count), days)
    noon = np.tile(np.arange(days) * DAY + DAY // 2, count)
    intensity = rate[everyone] * np.exp(members.activity_at(everyone, noon) - 0.36)
    intensity *= np.where(members.seeking(everyone, noon), seeking_factor, 1.0)
    acts = rng.poisson(intensity)
    member, day = np.repeat(everyone, acts), np.repeat(noon - DAY // 2, acts)
    angle = rng.vonmises(0.0, 1.6, len(member)) * (12 / np.pi)
    hour = (members.peak_hour[member] + angle) % 24
    time = day + (hour * HOUR).astype(np.int64)
    there = time > members.joined[member] + 60
    member, time = member[there], time[there]
    order = np.lexsort((member, time))
    return member[order], time[order]


def _recent(rng: np.random.Generator, created: Ints, time: Ints, reach: float, count: int) -> Ints:
    """Indices of items created before a time, newer ones likelier.  (n,) -> (n, count)"""
    newest = np.searchsorted(created, time - 60)[:, None] - 1
    back = rng.exponential(reach, (len(time), count)).astype(np.int64)
    return np.maximum(newest - back, 0)


def _match(members: Members, member: Ints, time: Ints, directions: Floats) -> Floats:
    """How well candidates match the member's interests at that time.  (n,), (n, k, d) -> (n, k)"""
    return _TASTE * np.einsum("nd,nkd->nk", members.interest(member, time), directions)


def _once(member: Ints, target: Ints, time: Ints, action: Ints) -> Events:
    """Keep the first event of each (member, target, action)."""
    key = (member * (target.max(initial=0) + 1) + target) * 4 + action
    _, first = np.unique(key, return_index=True)
    first.sort()
    return Events(member[first], target[first], time[first], action[first])
