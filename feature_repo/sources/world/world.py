"""Simulate the whole world. Each part has its own random stream, so that a change in one leaves the others alone."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from feature_repo.sources.world.behavior import Events, feed_events, job_events
from feature_repo.sources.world.clicks import Outcomes, Signals, click_logit, make_signals, settle, sigmoid
from feature_repo.sources.world.content import Content, make_content, make_topics
from feature_repo.sources.world.members import DIMENSIONS, Members, make_members
from feature_repo.sources.world.network import Network, make_network
from feature_repo.sources.world.notifications import Deliveries, Notifications, deliver, make_notifications
from feature_repo.sources.world.size import WorldSize


@dataclass(frozen=True)
class World:
    """Everything that happened, and the latent variables behind it."""

    members: Members
    content: Content
    network: Network
    feed: Events
    jobs: Events
    notifications: Notifications
    sent: Deliveries
    signals: Signals
    outcomes: Outcomes


def simulate(
    size: WorldSize, days: int, seed: int, change: Callable[[Members], Members] = lambda members: members
) -> World:
    """Simulate ``days`` days. The same arguments give the same world.

    ``change``: what the members become, before they do anything; nothing else is drawn differently.
    """
    streams = iter(np.random.SeedSequence(seed).spawn(9))

    def rng() -> np.random.Generator:
        return np.random.default_rng(next(streams))

    topics = make_topics(rng(), DIMENSIONS)
    members = change(make_members(rng(), size.members, days, topics))
    content = make_content(rng(), topics, size.creators, size.companies, size.posts, size.jobs, days)
    network = make_network(rng(), members, content, days)
    feed = feed_events(rng(), members, content, network, days)
    jobs = job_events(rng(), members, content, days)
    notifications = make_notifications(rng(), content, feed, size.notifications, days)
    sent = deliver(rng(), members, content, network, feed, notifications, size.deliveries, days)
    signals = make_signals(members, content, network, feed, notifications, sent)
    probability = sigmoid(click_logit(members, notifications, sent, signals))
    outcomes = settle(rng(), members, sent, signals, probability)
    return World(members, content, network, feed, jobs, notifications, sent, signals, outcomes)
