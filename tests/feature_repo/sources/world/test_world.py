"""The planted rules, seen in the world's own arrays."""

import numpy as np
import pytest

from feature_repo.sources.world import SIZES, World, simulate
from feature_repo.sources.world.clicks import TIMEOUT
from feature_repo.sources.world.draw import DAY

DAYS = 60


@pytest.fixture(scope="module")
def world() -> World:
    return simulate(SIZES["tiny"], DAYS, 7)


def test_everything_happens_in_order(world: World):
    sent, notes, content = world.sent, world.notifications, world.content
    assert (np.diff(sent.time) >= 0).all()
    assert (sent.time > notes.created[sent.notification]).all()
    assert (sent.time > world.members.joined[sent.member]).all()
    assert (world.outcomes.settled > sent.time).all()
    of_post, of_job = notes.post >= 0, notes.job >= 0
    assert (of_post ^ of_job).all()
    assert (content.post_created[notes.post[of_post]] < notes.created[of_post]).all()
    assert (content.job_created[notes.job[of_job]] < notes.created[of_job]).all()
    assert (content.post_created[world.feed.target] < world.feed.time).all()
    assert (content.job_created[world.jobs.target] < world.jobs.time).all()


def test_settling(world: World):
    wait = world.outcomes.settled - world.sent.time
    clicked = world.outcomes.clicked == 1
    assert (wait[~clicked] == TIMEOUT).all()
    assert np.median(wait[clicked]) < TIMEOUT / 2
    assert (world.outcomes.engaged <= world.outcomes.clicked).all()


def test_no_member_gets_a_notification_twice(world: World):
    pairs = np.stack([world.sent.member, world.sent.notification])
    assert np.unique(pairs, axis=1).shape == pairs.shape


def test_interests_show_in_the_feed_and_drift(world: World):
    members, feed = world.members, world.feed
    there = members.interest(feed.member, feed.time)
    chosen = (there * world.content.post_direction[feed.target]).sum(axis=1).mean()
    anyone = (there * np.roll(world.content.post_direction[feed.target], 1, axis=0)).sum(axis=1).mean()
    assert chosen > anyone + 0.2
    everyone = np.arange(len(members.joined))
    early = members.interest(everyone, np.full(len(everyone), 5 * DAY))
    late = members.interest(everyone, np.full(len(everyone), 55 * DAY))
    assert 0.6 < (early * late).sum(axis=1).mean() < 0.97


@pytest.mark.parametrize(
    ("signal", "sign"),
    [("match", 1), ("affinity", 1), ("proof", 1), ("fatigue", -1), ("hour", 1), ("activity", 1), ("seeking", 1)],
)
def test_every_planted_signal_moves_the_probability(world: World, signal: str, sign: int):
    value = getattr(world.signals, signal)
    varied = value != 0 if signal in ("affinity", "seeking") else np.ones(len(value), bool)
    assert sign * np.corrcoef(value[varied], world.outcomes.probability[varied])[0, 1] > 0.02


def test_job_seekers_look_at_jobs(world: World):
    seeking = world.members.seeking(world.jobs.member, world.jobs.time).mean()
    assert seeking > 3 * world.members.seeking(world.feed.member, world.feed.time).mean()


def test_some_members_and_all_items_are_cold_at_some_time(world: World):
    joined = world.members.joined
    assert 0.08 < (joined > 0).mean() < 0.25
    first = np.array([world.sent.time[world.sent.notification == one][0] for one in range(20)])
    assert (first - world.notifications.created[:20] < 2 * DAY).all()


def test_another_seed_is_another_world(world: World):
    other = simulate(SIZES["tiny"], DAYS, 8)
    assert not np.array_equal(other.sent.time[:100], world.sent.time[:100])
