"""What the five data sets share: members with tastes, items with topics, and clicks that follow from both."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

TOPICS = 6


@dataclass(frozen=True)
class Taste:
    """Members and items of a world; a member likes few topics, an item has one."""

    liking: np.ndarray
    """(members, topics), mean 0."""
    topic: np.ndarray
    """(items,): index of a topic."""
    leaning: np.ndarray
    """(members,): how often a member acts at all."""
    appeal: np.ndarray
    """(items,): what of an item no feature tells."""

    def match(self, members: np.ndarray, items: np.ndarray) -> np.ndarray:
        """How much more than on average a member likes an item, in log odds."""
        found: np.ndarray = self.liking[members, self.topic[items]]
        return found


def tastes(draw: np.random.Generator, members: int, items: int) -> Taste:
    """Draw a world's members and items."""
    liking = draw.normal(0, 0.5, (members, TOPICS))
    for favorite in range(2):
        liking[np.arange(members), draw.integers(0, TOPICS, members)] += 1.6 - 0.5 * favorite
    return Taste(
        liking=liking - liking.mean(axis=1, keepdims=True),
        topic=draw.integers(0, TOPICS, items),
        leaning=draw.normal(0, 0.5, members),
        appeal=draw.normal(0, 0.5, items),
    )


def happens(draw: np.random.Generator, log_odds: np.ndarray) -> np.ndarray:
    """Draw an outcome, true or false, for each of these log odds."""
    found: np.ndarray = draw.random(len(log_odds)) < 1 / (1 + np.exp(-log_odds))
    return found


def moments(draw: np.random.Generator, start: str, days: int, count: int) -> pd.DatetimeIndex:
    """Draw times (count,), ascending, in UTC to the second, over ``days`` days from ``start``; few at night."""
    day = draw.integers(0, days, count)
    hour = np.clip(draw.normal(14, 4.5, count), 0, 23.99)
    seconds = np.sort((day * 86_400 + hour * 3_600).astype("int64"))
    return pd.DatetimeIndex(pd.Timestamp(start, tz="UTC") + pd.to_timedelta(seconds, unit="s")).as_unit("us")


def sized(count: int, share: float) -> int:
    """A count of a world of which only a share is made."""
    return max(int(count * share), 12)
