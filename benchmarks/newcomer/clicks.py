"""A reading app that logs only what was read: clicks, and when every article was published. Parquet files."""

from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.newcomer.taste import moments, sized, tastes

START, DAYS, LIFE = "2026-02-02", 56, 10
"""``LIFE``: days after which an article is read a third as often."""


def write(folder: Path, draw: np.random.Generator, share: float) -> None:
    """Write ``reads/part-*.parquet`` and ``articles.parquet``."""
    readers, articles, reads = sized(220, share), sized(420, share), sized(6_000, share)
    world = tastes(draw, readers, articles)
    first = pd.Timestamp(START, tz="UTC")
    published = np.sort(draw.uniform(-LIFE, DAYS - 1, articles))  # days since the start
    time = moments(draw, START, DAYS, reads)
    member = draw.choice(readers, reads, p=np.exp(world.leaning) / np.exp(world.leaning).sum())
    age = ((time - first) / pd.Timedelta(days=1)).to_numpy()[:, None] - published[None, :]
    wish = world.liking[member][:, world.topic] * 1.2 + world.appeal[None, :] - np.clip(age, 0, None) / LIFE
    wish = np.where(age > 0, wish + draw.gumbel(size=wish.shape), -np.inf)
    item = np.argmax(wish, axis=1)  # the reader picks among all that are published
    slugs = np.array([f"{world.topic[number]}-story-{number:04d}" for number in draw.permutation(articles)])
    log = pd.DataFrame(
        {
            "event": [f"r{number}" for number in range(reads)],
            "reader": [f"u-{number:04d}" for number in member],
            "slug": slugs[item],
            "at": time,
            "seconds": draw.integers(3, 600, reads).astype("int32"),
        }
    )
    (folder / "reads").mkdir()
    for number, part in enumerate(np.array_split(np.arange(reads), 3)):
        log.iloc[part].to_parquet(folder / "reads" / f"part-{number}.parquet", index=False)
    section = np.array(["city", "world", "money", "sport", "art", "science"])[world.topic]
    times = pd.DatetimeIndex(first + pd.to_timedelta((published * 86_400).astype("int64"), unit="s")).as_unit("us")
    catalog = pd.DataFrame({"slug": slugs, "published": times, "section": section})
    catalog["author"] = [
        f"a{topic}{number}" for topic, number in zip(world.topic, draw.integers(0, 4, articles), strict=True)
    ]
    catalog.to_parquet(folder / "articles.parquet", index=False)
