"""What other policies would have earned on the same sessions, by the world's true probability of a click."""

from dataclasses import dataclass, field

import numpy as np

from feature_repo.sources.world.live import LiveWorld
from feature_repo.sources.world.live_sessions import NOBODY
from feature_repo.sources.world.notifications import KINDS

_PRIOR = 10.0
"""Deliveries with the rate of its kind, which a notification starts with."""


@dataclass
class Popularity:
    """Click rates of notifications, from the outcomes that have settled: smoothed by the rate of their kind."""

    kind: np.ndarray
    shown: np.ndarray
    clicked: np.ndarray
    _open: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = field(default_factory=list)

    @classmethod
    def after(cls, live: LiveWorld) -> "Popularity":
        """The rates after the history."""
        count, sent = len(live.world.notifications.kind), live.delivered()
        rates = cls(live.world.notifications.kind, np.zeros(count), np.zeros(count))
        outcomes = live.world.outcomes
        rates.add(sent.notification, outcomes.clicked[: len(sent.time)], outcomes.settled[: len(sent.time)])
        return rates

    def add(self, items: np.ndarray, clicked: np.ndarray, settled: np.ndarray) -> None:
        """Take deliveries, whose outcomes count once they have settled: (n,) each."""
        self._open.append((items, clicked, settled))

    def scores(self, time: int) -> np.ndarray:
        """The rate of every notification by the outcomes settled before ``time``: (notifications,)."""
        items, clicked, settled = (np.concatenate(parts) for parts in zip(*self._open, strict=True))
        done = settled < time
        self._open = [(items[~done], clicked[~done], settled[~done])]
        np.add.at(self.shown, items[done], 1)
        np.add.at(self.clicked, items[done], clicked[done])
        by_kind = [np.bincount(self.kind, counts, len(KINDS)) for counts in (self.clicked, self.shown)]
        rate = by_kind[0] / np.maximum(by_kind[1], 1)
        return (self.clicked + _PRIOR * rate[self.kind]) / (self.shown + _PRIOR)


def probabilities_of(
    candidates: np.ndarray, probability: np.ndarray, chosen: np.ndarray, popularity: np.ndarray
) -> dict[str, np.ndarray]:
    """The true probability of what each policy shows in each session: (n,) each.

    ``candidates``, ``probability``: (n, c), of each session; ``chosen``: (n,), what the ranker showed; ``popularity``:
    (notifications,). ``random`` is the mean of the candidates.
    """
    there, row = candidates != NOBODY, np.arange(len(candidates))
    popular = np.where(there, popularity[candidates], -np.inf).argmax(axis=1)
    return {
        "ranker": probability[row, (candidates == chosen[:, None]).argmax(axis=1)],
        "popularity": probability[row, popular],
        "random": np.nanmean(probability, axis=1),
        "oracle": np.nanmax(probability, axis=1),
    }
