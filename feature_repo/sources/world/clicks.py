"""Click model of the world: the probability that a delivery is clicked, then engaged with. Nothing else knows it."""

from dataclasses import dataclass

import numpy as np

from feature_repo.sources.world.behavior import Events
from feature_repo.sources.world.content import Content
from feature_repo.sources.world.draw import BEGINNING, DAY, HOUR, Floats, Ints, count_between, hour_fit
from feature_repo.sources.world.members import Members
from feature_repo.sources.world.network import Network, similarity
from feature_repo.sources.world.notifications import KINDS, Deliveries, Notifications

TIMEOUT = 2 * HOUR
"""Seconds after which a delivery without a click is settled."""

_KIND = np.array([0.3, 0.1, -0.25, -0.35])  # by KINDS
_FORMAT = np.array([0.0, 0.1, 0.0, 0.2])  # by content.FORMATS


@dataclass(frozen=True)
class Outcomes:
    """Outcomes of each delivery, and the true probability of a click (the oracle): (deliveries,) each."""

    probability: Floats
    clicked: Ints
    engaged: Ints
    settled: Ints


@dataclass(frozen=True)
class Signals:
    """The terms of the probability: (deliveries,) each."""

    match: Floats
    affinity: Floats
    proof: Floats
    fatigue: Floats
    hour: Floats
    activity: Floats
    seeking: Floats
    distance: Floats
    quality: Floats


def make_signals(
    members: Members,
    content: Content,
    network: Network,
    feed: Events,
    notifications: Notifications,
    sent: Deliveries,
    delivered: Deliveries | None = None,
) -> Signals:
    """Compute every signal strictly before each delivery.

    ``delivered``: the deliveries that tire a member, where those of ``sent`` are candidates only (default: ``sent``).
    """
    member, time, item = sent.member, sent.time, sent.notification
    seen = sent if delivered is None else delivered
    post, job = notifications.post[item], notifications.job[item]
    is_post = post >= 0
    creators = len(content.creator_reach)
    pair = member * creators + content.post_creator[post]
    beginning = np.full(len(time), BEGINNING)
    follows = count_between(network.follower * creators + network.creator, network.followed, pair, beginning, time)
    habit = count_between(
        feed.member * creators + content.post_creator[feed.target], feed.time, pair, time - 30 * DAY, time
    )
    return Signals(
        match=similarity(members.interest(member, time), notifications.direction[item]),
        affinity=np.where(is_post, 1.1 * (follows > 0) + 0.4 * np.log1p(habit), 0.0),
        proof=np.where(is_post, np.log1p(_connections_engaged(network, feed, member, post, time, content)), 0.0),
        fatigue=np.minimum(count_between(seen.member, seen.time, member, time - DAY, time), 5).astype(np.float64),
        hour=hour_fit(time, members.peak_hour[member]),
        activity=members.activity_at(member, time),
        seeking=np.where(is_post, 0.0, members.seeking(member, time) - 0.3),
        distance=np.where(is_post, 0.0, np.abs(members.seniority_at(member, time) - content.job_seniority[job]) - 1.4),
        quality=np.where(
            is_post, content.post_quality[post] + _FORMAT[content.post_format[post]], content.job_quality[job]
        ),
    )


def click_logit(members: Members, notifications: Notifications, sent: Deliveries, signals: Signals) -> Floats:
    """The logit of the true click probability: (deliveries,)."""
    member, email = sent.member, sent.surface
    kind = notifications.kind[sent.notification]
    logit: Floats = (
        -3.3
        + _KIND[kind]
        + 0.25 * members.propensity[member]
        + email * (-0.7 + 0.2 * members.email_taste[member])
        + 3.5 * signals.match
        + 0.8 * signals.affinity
        + 0.5 * signals.proof
        - 0.45 * signals.fatigue
        + 0.7 * signals.hour
        + 0.5 * signals.activity
        + 1.7 * signals.seeking
        - 0.3 * signals.distance
        + 0.2 * signals.quality
    )
    return logit


def settle(
    rng: np.random.Generator, members: Members, sent: Deliveries, signals: Signals, probability: Floats
) -> Outcomes:
    """Draw clicks, engagements, and the times at which they settle."""
    member, email = sent.member, sent.surface
    clicked = rng.random(len(member)) < probability
    warm = (
        -2.0 + 1.8 * signals.match + 0.5 * signals.affinity + 0.8 * signals.seeking + 0.5 * members.propensity[member]
    )
    engaged = clicked & (rng.random(len(member)) < sigmoid(warm))
    # A click comes minutes after the delivery; whether it led to an engagement is known when the visit ends.
    wait = rng.exponential(np.where(email, 40 * 60, 12 * 60)) + rng.exponential(np.where(engaged, 15 * 60, 4 * 60))
    seconds = np.where(clicked, np.minimum(wait + 20, TIMEOUT), TIMEOUT).astype(np.int64)
    return Outcomes(probability, clicked.astype(np.int64), engaged.astype(np.int64), sent.time + seconds)


def sigmoid(logit: Floats) -> Floats:
    """The probability of a logit.  (n,) -> (n,)"""
    probability: Floats = 1 / (1 + np.exp(-logit))
    return probability


def _connections_engaged(
    network: Network, feed: Events, member: Ints, post: Ints, time: Ints, content: Content
) -> Ints:
    """Social proof: engagements of the member's connections with the post, strictly before the delivery.  (n,)"""
    posts = len(content.post_created)
    mentioned = np.flatnonzero(np.isin(feed.target, post))
    order = np.argsort(network.member, kind="stable")
    start = np.searchsorted(network.member[order], np.arange(network.member.max(initial=0) + 2))
    who = feed.member[mentioned]
    degree = start[who + 1] - start[who]
    event = np.repeat(mentioned, degree)
    row = order[np.arange(len(event)) - np.repeat(np.cumsum(degree) - degree - start[who], degree)]
    key = network.connection[row] * posts + feed.target[event]
    known = np.maximum(feed.time[event], network.connected[row])
    wanted = np.isin(key, member * posts + post)
    requested = np.where(post >= 0, member * posts + post, 0)
    return count_between(key[wanted], known[wanted], requested, np.full(len(time), BEGINNING), time)


__all__ = ["KINDS", "TIMEOUT", "Outcomes", "Signals", "click_logit", "make_signals", "settle", "sigmoid"]
