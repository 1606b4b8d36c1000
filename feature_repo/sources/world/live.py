"""A live world: members come day by day, a ranker chooses their notifications, they click by the world's rules.

Everything but the notifications that are shown is that of the simulated world: feed, job board, network, content. A
click depends on what was strictly before it, so that a day needs no later one.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from feature_repo.sources.world.clicks import Outcomes, Signals, click_logit, make_signals, settle, sigmoid
from feature_repo.sources.world.draw import DAY, Floats, Ints
from feature_repo.sources.world.live_sessions import NOBODY, Sessions, draw_sessions
from feature_repo.sources.world.members import INTEREST_STEP, Members
from feature_repo.sources.world.notifications import KINDS, Deliveries
from feature_repo.sources.world.size import WorldSize
from feature_repo.sources.world.world import simulate


@dataclass(frozen=True)
class Drift:
    """How taste changes from a day on: in a growing share of the sessions, and for good."""

    day: int
    """The first day with the new taste, counted from the simulation's first."""
    kinds: tuple[float, ...] = (0.0,) * len(KINDS)
    """Added to the logit of a click in sessions with the new taste, by ``KINDS``."""
    share: float = 1.0
    """Share of the sessions with the new taste in the end."""
    days: int = 1
    """Days until then; the share grows by the same part every day."""
    interests: float = 0.0
    """The share of members who take over another member's interests, within ten days."""

    def at(self, time: Ints) -> Floats:
        """Share of the sessions with the new taste at a time.  (n,) -> (n,)"""
        part: Floats = self.share * np.clip((time // DAY - self.day + 1) / self.days, 0.0, 1.0)
        return part


@dataclass(frozen=True)
class LiveSize:
    """Size of a live world."""

    world: WorldSize
    days: int
    first: int
    """The first live day; the simulation's deliveries before it are the history."""
    each_day: float = 1.0
    """Sessions a member and day."""
    candidates: int = 8
    """Notifications that a session could show."""


class LiveWorld:
    """A world whose notifications are chosen from outside, from its first live day on.

    A session shows one notification, and candidates do not depend on what was shown. So the true probabilities of a
    session's candidates are the same for every policy that shows something in every session: several can be compared
    on the same sessions.
    """

    def __init__(self, size: LiveSize, seed: int, drift: Drift | None = None) -> None:
        self.size, self._seed, self._drift = size, seed, drift
        self.world = simulate(size.world, size.days, seed, _interests_of_others(drift, self._rng(1)))
        self.sessions: Sessions = draw_sessions(
            self._rng(2), self.world, size.first, size.days, size.each_day, size.candidates
        )
        drawn = self._rng(4).random(len(self.sessions.time))
        self.changed: NDArray[np.bool_] = drawn < (0.0 if drift is None else drift.at(self.sessions.time))
        """Which sessions have the new taste: (sessions,)."""
        self.mood = 0.0
        """Added to the logit of every click from now on: how much members feel like clicking at all."""
        before = self.world.sent.time < size.first * DAY
        self._delivered = [Deliveries(*(column[before] for column in _columns(self.world.sent)))]

    def day(self, number: int) -> Ints:
        """Rows of the sessions of a day, by time: (sessions,)."""
        return np.arange(*np.searchsorted(self.sessions.time, [number * DAY, (number + 1) * DAY]))

    def probability(self, rows: Ints) -> Floats:
        """The true click probability of every candidate of some sessions: (n, candidates); NaN where there is none.

        It knows what ``deliver`` was given for earlier times.
        """
        offered = self.sessions.candidates[rows]
        probability = np.full(offered.shape, np.nan)
        there = offered != NOBODY
        row = np.broadcast_to(rows[:, None], offered.shape)[there]
        sent = self._sent(row, offered[there])
        probability[there] = self._probability(sent, self._signals(sent), self.changed[row])
        return probability

    def deliver(self, rows: Ints, notification: Ints) -> Outcomes:
        """Deliver one notification in each of some sessions, and draw what the members do: (n,) each.

        The rows are in the order of time. The same rows with the same notifications have the same outcomes.
        """
        sent = self._sent(rows, notification)
        signals = self._signals(sent)
        self._delivered.append(sent)
        rng = self._rng(3, int(rows[0]))
        probability = self._probability(sent, signals, self.changed[rows])
        return settle(rng, self.world.members, sent, signals, probability)

    def delivered(self) -> Deliveries:
        """All deliveries so far: the history, and what ``deliver`` was given."""
        parts = [_columns(part) for part in self._delivered]
        return Deliveries(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def _sent(self, rows: Ints, notification: Ints) -> Deliveries:
        sessions = self.sessions
        return Deliveries(sessions.member[rows], notification, sessions.time[rows], sessions.surface[rows])

    def _signals(self, sent: Deliveries) -> Signals:
        world = self.world
        return make_signals(
            world.members, world.content, world.network, world.feed, world.notifications, sent, self.delivered()
        )

    def _probability(self, sent: Deliveries, signals: Signals, changed: NDArray[np.bool_]) -> Floats:
        logit = click_logit(self.world.members, self.world.notifications, sent, signals) + self.mood
        if self._drift is not None:
            logit += np.array(self._drift.kinds)[self.world.notifications.kind[sent.notification]] * changed
        return sigmoid(logit)

    def _rng(self, *key: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence([self._seed, *key]))


def _columns(sent: Deliveries) -> tuple[Ints, ...]:
    return sent.member, sent.notification, sent.time, sent.surface


def _interests_of_others(drift: Drift | None, rng: np.random.Generator) -> Callable[[Members], Members]:
    """The change of members that a drift makes: from its day on, some have the interests of others."""

    def change(members: Members) -> Members:
        if drift is None or not drift.interests:
            return members
        count = len(members.joined)
        moved = rng.permutation(count)[: round(drift.interests * count)]
        interests, anchor = members.interests.copy(), -(-drift.day * DAY // INTEREST_STEP)
        interests[moved, anchor:] = interests[np.roll(moved, 1), anchor:]
        return replace(members, interests=interests)

    return change
