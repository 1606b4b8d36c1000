"""A simulated news site: articles that are read for hours, and readers who come back in sessions.

An article's popularity rises within the first hour and then halves every few hours. A reader has a few interests, which
neither the section nor the title tells exactly. In a session the articles that are alive compete for a few clicks; no
article is read twice. The log has clicks only, as the logs of news sites do: what else was on the page is not in it.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from models.files import replaced_file

HOUR, DAY = 3_600, 86_400
ALIVE = 36 * HOUR
"""Seconds after its publication in which an article can be found on the site."""
SECTIONS = ("politics", "economy", "sports", "culture", "local", "science", "opinion", "world")
_TOPICS = 4
"""Topics of each section."""
_SIZE = 16
"""Components of the vectors of interests and topics."""
_WORDS = 6
"""Words of a title: half of the section's, half of the topic's."""
_MOST = 4
"""Most clicks in a session."""
_BY_HOUR = np.array([1, 1, 1, 1, 1, 2, 5, 8, 8, 6, 5, 5, 7, 6, 5, 5, 5, 6, 7, 8, 9, 8, 5, 2], dtype=np.float64)
"""How many sessions begin in each hour, in relation to the others."""


@dataclass(frozen=True)
class Size:
    """How much there is of everything."""

    readers: int
    articles: int
    """A day."""
    sessions: int
    """A day."""


SIZES = {"tiny": Size(50, 24, 40), "default": Size(800, 90, 350)}


@dataclass(frozen=True)
class World:
    """All articles and readers, and the clicks by time. Times are seconds since the first midnight."""

    interests: np.ndarray
    """(readers, size) float64."""
    topics: np.ndarray
    """(articles, size) float64."""
    published: np.ndarray
    """(articles,) int64, ascending."""
    quality: np.ndarray
    """(articles,) float64: the logit of a click at the height of the article's popularity."""
    half_life: np.ndarray
    """(articles,) float64, seconds."""
    readers: pd.DataFrame
    articles: pd.DataFrame
    clicks: pd.DataFrame
    """user_id, article_id, session_id, time, read_seconds, device."""

    def appeal(self, reader: np.ndarray, article: np.ndarray, time: np.ndarray) -> np.ndarray:
        """The logit of a click before normalization: popularity at that time, and the reader's interest.

        reader, article, time: of shapes that broadcast -> float64 of that shape; -inf where the article is not alive.
        """
        age = time - self.published[article]
        with np.errstate(divide="ignore", invalid="ignore"):
            rise = np.log(-np.expm1(-np.maximum(age, 0) / (0.7 * HOUR)))
        found = self.quality[article] + rise - np.log(2) * age / self.half_life[article]
        found = found + (self.interests[reader] * self.topics[article]).sum(axis=-1)
        return np.where((age > 0) & (age <= ALIVE), found, -np.inf)

    def chance(self, reader: np.ndarray, article: np.ndarray, time: np.ndarray, negatives: int) -> np.ndarray:
        """The probability that a row is the click, and not one of ``negatives`` drawn uniformly: (rows,) float64.

        By Bayes: the article's share among all that are alive, against an equal share. It is a bound of the order, not
        calibrated: it does not know what the reader has read, and the later clicks of a session have less to choose
        from.
        """
        low, high = (np.searchsorted(self.published, time - late) for late in (ALIVE, 0))
        found = np.empty(len(time))
        for part in np.array_split(np.arange(len(time)), max(len(time) // 2_000, 1)):
            if not len(part):
                continue
            near = np.arange(low[part].min(), max(high[part].max(), low[part].min() + 1))
            near = near[near < len(self.published)]
            all_alive = self.appeal(reader[part, None], near[None, :], time[part, None])
            own = np.exp(self.appeal(reader[part], article[part], time[part]))
            mean = np.exp(all_alive).sum(axis=1) / np.isfinite(all_alive).sum(axis=1).clip(min=1)
            found[part] = own / (own + negatives * mean)
        return found


def simulate(size: Size, days: int, seed: int) -> World:
    """A world of ``days`` days, which has articles from two days before; the same seed gives the same world."""
    rng = np.random.default_rng(seed)
    topics = rng.normal(size=(len(SECTIONS) * _TOPICS, _SIZE)) / np.sqrt(_SIZE)
    interests = _interests(rng, topics, size.readers)
    count = size.articles * (days + 2)
    published = np.sort(_moments(rng, count, days + 2)) - 2 * DAY
    topic = rng.integers(0, len(topics), count)
    vectors = topics[topic] + 0.5 * rng.normal(size=(count, _SIZE)) / np.sqrt(_SIZE)
    world = World(
        interests=interests,
        topics=vectors,
        published=published,
        quality=rng.normal(0, 1.3, count),
        half_life=HOUR * np.exp(rng.normal(np.log(4), 0.5, count)),
        readers=_readers(rng, size.readers),
        articles=_articles(rng, topic, vectors, published),
        clicks=pd.DataFrame(),
    )
    return World(**{**vars(world), "clicks": _clicks(rng, world, size, days)})


def write_log(world: World, folder: Path, start: pd.Timestamp) -> Path:
    """Write readers, articles and clicks as Parquet files; ``start``: the first midnight. Returns the folder."""
    articles, clicks = world.articles.copy(), world.clicks.copy()
    articles["published"] = start + pd.to_timedelta(articles["published"], unit="s")
    clicks["time"] = start + pd.to_timedelta(clicks["time"], unit="s")
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in (("readers", world.readers), ("articles", articles), ("clicks", clicks)):
        with replaced_file(folder / f"{name}.parquet") as draft:
            frame.to_parquet(draft, index=False)
    return folder


def _interests(rng: np.random.Generator, topics: np.ndarray, readers: int) -> np.ndarray:
    """Three topics a reader, the first liked most; and some of everything else."""
    liked = rng.integers(0, len(topics), (readers, 3))
    found = np.einsum("k,rkd->rd", np.array([2.4, 1.8, 1.2]), topics[liked])
    return np.asarray(found + 0.8 * rng.normal(size=found.shape) / np.sqrt(_SIZE))


def _moments(rng: np.random.Generator, count: int, days: int) -> np.ndarray:
    """(count,) int64 seconds, spread over the days and by the hours of a day."""
    hour = rng.choice(24, count, p=_BY_HOUR / _BY_HOUR.sum())
    return rng.integers(0, days, count) * DAY + hour * HOUR + rng.integers(0, HOUR, count)


def _readers(rng: np.random.Generator, count: int) -> pd.DataFrame:
    regions = np.array(["north", "south", "east", "west"], dtype=object)
    return pd.DataFrame(
        {
            "user_id": np.arange(count),
            "region": regions[rng.integers(0, len(regions), count)],
            "subscriber": np.where(rng.random(count) < 0.2, "yes", "no").astype(object),
        }
    )


def _articles(rng: np.random.Generator, topic: np.ndarray, vectors: np.ndarray, published: np.ndarray) -> pd.DataFrame:
    section, half = topic // _TOPICS, _WORDS // 2
    of_section = rng.integers(0, 30, (len(topic), half))
    of_topic = rng.integers(0, 12, (len(topic), half))
    titles = [
        " ".join([*(f"{SECTIONS[s]}{word}" for word in first), *(f"topic{t}x{word}" for word in second)])
        for s, t, first, second in zip(section, topic, of_section.tolist(), of_topic.tolist(), strict=True)
    ]
    body = vectors + 0.6 * rng.normal(size=vectors.shape) / np.sqrt(_SIZE)
    return pd.DataFrame(
        {
            "article_id": np.arange(len(topic)),
            "published": published,
            "section": np.array(SECTIONS, dtype=object)[section],
            "title": titles,
            "words": rng.integers(150, 1_800, len(topic)),
            "body_vector": list(body.astype(np.float32)),
        }
    )


def _clicks(rng: np.random.Generator, world: World, size: Size, days: int) -> pd.DataFrame:
    """The clicks of all sessions: those with the largest appeal plus Gumbel noise, which draws without replacement."""
    weight = rng.lognormal(0, 0.9, size.readers)
    parts, total = [], 0
    for day in range(days):
        start = np.sort(_moments(rng, size.sessions, 1)) + day * DAY
        reader = rng.choice(size.readers, size.sessions, p=weight / weight.sum())
        low, high = np.searchsorted(world.published, [day * DAY - ALIVE, (day + 1) * DAY])
        near = np.arange(low, high)
        appeal = world.appeal(reader[:, None], near[None, :], start[:, None])
        noisy = appeal + rng.gumbel(size=appeal.shape)
        best = np.argsort(-noisy, axis=1)[:, :_MOST]
        wanted = np.minimum(1 + rng.poisson(1.0, size.sessions), _MOST)
        found = np.take_along_axis(noisy, best, axis=1)
        kept = (np.arange(best.shape[1]) < wanted[:, None]) & np.isfinite(found)
        seconds = np.clip(np.exp(rng.normal(3.8, 0.8, best.shape)), 3, 600).astype(np.int64)
        begun = start[:, None] + np.cumsum(seconds, axis=1) - seconds + 10 * np.arange(best.shape[1])
        session, place = np.nonzero(kept)
        device = rng.random(size.sessions) < 0.6
        parts.append(
            pd.DataFrame(
                {
                    "user_id": reader[session],
                    "article_id": near[best[session, place]],
                    "session_id": total + session,
                    "time": begun[session, place],
                    "read_seconds": seconds[session, place],
                    "device": np.where(device[session], "app", "web").astype(object),
                }
            )
        )
        total += size.sessions
    clicks = pd.concat(parts, ignore_index=True).sort_values(["time", "user_id", "article_id"], kind="stable")
    clicks = clicks[clicks["time"] < days * DAY]
    return clicks.drop_duplicates(["user_id", "article_id"], ignore_index=True)
