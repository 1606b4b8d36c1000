"""A live world: what is delivered from outside moves what comes after it, and nothing before."""

import numpy as np
import pytest

from feature_repo.sources.world import simulate
from feature_repo.sources.world.clicks import TIMEOUT
from feature_repo.sources.world.draw import DAY
from feature_repo.sources.world.live import Drift, LiveSize, LiveWorld
from feature_repo.sources.world.live_sessions import NOBODY
from feature_repo.sources.world.size import WorldSize

SIZE = LiveSize(WorldSize(80, 20, 10, 200, 60, 100, deliveries=10), days=20, first=15, candidates=5)


@pytest.fixture
def live() -> LiveWorld:
    return LiveWorld(SIZE, 7)


def test_a_notification_is_a_candidate_of_a_member_once(live: LiveWorld):
    sessions, history = live.sessions, live.delivered()
    there = sessions.candidates != NOBODY
    member = np.broadcast_to(sessions.member[:, None], there.shape)[there]
    pairs = list(zip(member, sessions.candidates[there], strict=True))
    assert len(set(pairs)) == len(pairs) > 100
    assert not set(pairs) & set(zip(history.member, history.notification, strict=True))
    time = np.broadcast_to(sessions.time[:, None], there.shape)[there]
    assert (live.world.notifications.created[sessions.candidates[there]] < time).all()


def test_the_history_is_the_batch_simulations(live: LiveWorld):
    world = simulate(SIZE.world, SIZE.days, 7)
    before = world.sent.time < SIZE.first * DAY
    np.testing.assert_array_equal(live.delivered().notification, world.sent.notification[before])


def test_deliveries_tire_members(live: LiveWorld):
    rows = live.day(SIZE.first)
    late = rows[live.sessions.time[rows] > SIZE.first * DAY + DAY // 2]
    quiet = live.probability(late)
    early = np.setdiff1d(rows, late)
    live.deliver(early, live.sessions.candidates[early, 0])
    again = np.isin(live.sessions.member[late], live.sessions.member[early])
    assert again.any()
    loud, there = live.probability(late), live.sessions.candidates[late] != NOBODY
    assert (loud < quiet)[again][there[again]].all()
    np.testing.assert_array_equal(loud[~again], quiet[~again])


def test_the_probability_is_the_simulations_own(live: LiveWorld):
    """A delivery that the batch simulation made has there the probability that the live rules give it."""
    world, history = live.world, live.delivered()
    again = live._probability(history, live._signals(history), np.zeros(len(history.time), bool))
    np.testing.assert_allclose(again, world.outcomes.probability[: len(history.time)])


def test_outcomes_follow_the_probability_and_repeat(live: LiveWorld):
    rows = live.day(SIZE.first)
    expected = live.probability(rows)[:, 0]
    done = live.deliver(rows, live.sessions.candidates[rows, 0])
    assert done.probability.mean() <= expected.mean()  # a member's second session of the day comes after the first
    assert abs(done.clicked.mean() - done.probability.mean()) < 0.15
    assert ((done.settled - live.sessions.time[rows] == TIMEOUT) | (done.clicked == 1)).all()
    again = LiveWorld(SIZE, 7)
    np.testing.assert_array_equal(again.deliver(rows, live.sessions.candidates[rows, 0]).clicked, done.clicked)


def test_a_drift_of_kinds_begins_on_its_day(live: LiveWorld):
    other = LiveWorld(SIZE, 7, Drift(day=17, kinds=(-1.0, 0.0, 0.0, 2.0)))
    before, rows = live.day(16), live.day(17)
    np.testing.assert_array_equal(other.probability(before), live.probability(before))
    offered = live.sessions.candidates[rows]
    kind = np.where(offered == NOBODY, 1, live.world.notifications.kind[offered])
    changed = np.nan_to_num(other.probability(rows) - live.probability(rows))
    np.testing.assert_array_equal(np.sign(changed), np.select([kind == 0, kind == 3], [-1, 1]))


def test_the_share_of_a_drift_grows():
    drift = Drift(day=15, share=0.8, days=4)
    assert drift.at(np.array([14, 15, 16, 18, 30]) * DAY + 5) == pytest.approx([0, 0.2, 0.4, 0.8, 0.8])
    live = LiveWorld(SIZE, 7, drift)
    shares = [live.changed[live.day(day)].mean() for day in (15, 18)]
    assert shares[0] < 0.4 < 0.6 < shares[1]


def test_a_mood_moves_every_click(live: LiveWorld):
    rows = live.day(SIZE.first)
    before = live.probability(rows)
    live.mood = 0.5
    assert (live.probability(rows) > before)[~np.isnan(before)].all()


def test_a_drift_of_interests_moves_its_share(live: LiveWorld):
    other = LiveWorld(SIZE, 7, Drift(day=12, interests=0.5))
    moved = (live.world.members.interests != other.world.members.interests).any(axis=2)
    assert not moved[:, :2].any()
    assert moved[:, 2].sum() == 40
