"""Eight dense days of a news page: keys of 62 bits and more, and articles that nobody reads a day later. CSV files."""

from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.newcomer.taste import happens, moments, sized, tastes

START, DAYS, SHOWN = "2026-05-04", 8, 36
"""``SHOWN``: hours for which an article is shown."""


def write(folder: Path, draw: np.random.Generator, share: float) -> None:
    """Write ``views-*.csv`` and ``articles.csv``."""
    readers, articles, rows = sized(450, share), sized(420, share), sized(18_000, share)
    world = tastes(draw, readers, articles)
    first = pd.Timestamp(START, tz="UTC")
    published = np.sort(draw.uniform(-SHOWN, 24 * DAYS - 1, articles))  # hours since the start
    time = moments(draw, START, DAYS, rows)
    hours = ((time - first) / pd.Timedelta(hours=1)).to_numpy()
    newest = np.maximum(np.searchsorted(published, hours), 1)
    oldest = np.minimum(np.searchsorted(published, hours - SHOWN), newest - 1)
    item = (oldest + draw.random(rows) * (newest - oldest)).astype(int)
    member = draw.choice(readers, rows, p=np.exp(world.leaning) / np.exp(world.leaning).sum())
    age = np.clip(hours - published[item], 0, None)
    clicked = happens(
        draw, -0.6 + 1.2 * world.match(member, item) + world.appeal[item] + world.leaning[member] - 0.8 * np.log1p(age)
    )
    keys = draw.permutation(np.unique(draw.integers(2**62, 2**63 - 1, readers + articles)))
    people, stories = keys[:readers], keys[readers:]
    log = pd.DataFrame(
        {
            "view": np.arange(rows) + 2**62,
            "reader": people[member],
            "article": stories[item],
            "ts": time.as_unit("ms").asi8 + draw.integers(0, 1_000, rows),
            "dwell_ms": np.where(clicked, draw.integers(1_000, 300_000, rows), 0),
            "slot": draw.choice(["top", "side"], rows),
        }
    )
    for day, part in log.groupby((hours // 24).astype(int)):
        part.to_csv(folder / f"views-{day}.csv", index=False)
    at = first.value // 10**6 + (published * 3_600_000).astype("int64")
    section = np.array(["city", "world", "money", "sport", "art", "science"])[world.topic]
    catalog = pd.DataFrame({"article": stories, "published_ms": at, "section": section})
    catalog["agency"] = draw.choice(["own", "wire"], articles)
    catalog.to_csv(folder / "articles.csv", index=False)
