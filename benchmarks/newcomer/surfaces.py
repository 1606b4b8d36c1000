"""Posts in a feed and in an e-mail: two surfaces with rates of their own, and titles that tell a new post's topic."""

from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.newcomer.taste import happens, moments, sized, tastes

START, DAYS, LIFE = "2026-03-02", 42, 4
"""``LIFE``: days for which a post is shown."""
_WORDS = (
    ("garden", "roses", "soil", "seeds", "harvest"),
    ("running", "marathon", "shoes", "training", "lap"),
    ("bread", "oven", "recipe", "flour", "dinner"),
    ("python", "compiler", "database", "query", "release"),
    ("guitar", "concert", "album", "drums", "stage"),
    ("train", "island", "hotel", "border", "map"),
)
_COMMON = ("the", "new", "a", "guide", "for", "your", "week", "with", "how", "and")


def write(folder: Path, draw: np.random.Generator, share: float) -> None:
    """Write ``delivered.parquet``, ``people.parquet`` and ``posts.parquet``."""
    people, posts, rows = sized(240, share), sized(500, share), sized(15_000, share)
    world = tastes(draw, people, posts)
    first = pd.Timestamp(START, tz="UTC")
    written = np.sort(draw.uniform(-LIFE, DAYS - 1, posts))
    time = moments(draw, START, DAYS, rows)
    days = ((time - first) / pd.Timedelta(days=1)).to_numpy()
    newest = np.searchsorted(written, days)  # posts that were written before
    oldest = np.minimum(np.searchsorted(written, days - LIFE), newest - 1)
    item = (oldest + draw.random(rows) * (newest - oldest)).astype(int)
    member = draw.choice(people, rows, p=np.exp(world.leaning) / np.exp(world.leaning).sum())
    mail = draw.random(rows) < 0.35
    loves_mail = draw.normal(0, 1.0, people)
    opened = mail & happens(draw, -0.5 + loves_mail[member] + 0.3 * world.match(member, item))
    odds = -1.6 + 1.3 * world.match(member, item) + world.leaning[member] + world.appeal[item]
    clicked = np.where(mail, opened & happens(draw, odds + 0.9), happens(draw, odds))
    wait = np.where(clicked | opened, draw.integers(10, 3_600, rows), np.where(mail, 86_400, 1_800))
    log = pd.DataFrame(
        {
            "delivery": np.arange(rows),
            "person": member,
            "post": item + 1_000,
            "channel": np.where(mail, "E-Mail", "Feed"),
            "sent_ms": time.as_unit("ms").asi8,
            "known_ms": time.as_unit("ms").asi8 + 1_000 * wait,
            "opened": pd.Series(opened, dtype="boolean").where(mail),  # a feed is not opened
            "clicked": clicked,
        }
    )
    log.to_parquet(folder / "delivered.parquet", index=False)
    profiles = pd.DataFrame({"person": np.arange(people), "since": first - pd.Timedelta(days=30)})
    profiles["country"] = draw.choice(["de", "fr", "pl"], people)
    profiles.to_parquet(folder / "people.parquet", index=False)
    titles: list[str | None] = [_title(draw, topic) for topic in world.topic]
    for number in draw.choice(posts, max(posts // 50, 1), replace=False):
        titles[number] = None  # a few have none
    at = pd.DatetimeIndex(first + pd.to_timedelta((written * 86_400).astype("int64"), unit="s")).as_unit("us")
    catalog = pd.DataFrame({"post": np.arange(posts) + 1_000, "written": at, "title": titles})
    catalog.to_parquet(folder / "posts.parquet", index=False)


def _title(draw: np.random.Generator, topic: int) -> str:
    words = [*draw.choice(_WORDS[topic], 3, replace=False), *draw.choice(_COMMON, 3, replace=False)]
    return " ".join(draw.permutation(words)).capitalize()
