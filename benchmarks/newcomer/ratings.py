"""Ratings of films over six years, one to five stars, and who trusts whom. CSV files with semicolons, dates only."""

from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.newcomer.taste import moments, sized, tastes

START, DAYS = "2019-01-01", 2_190


def write(folder: Path, draw: np.random.Generator, share: float) -> None:
    """Write ``ratings.csv``, ``trust.csv`` and ``films.csv``."""
    members, films, count = sized(700, share), sized(350, share), sized(12_000, share)
    world = tastes(draw, members, films)
    trust = _trust(draw, world.liking)
    day = moments(draw, START, DAYS, count).floor("D")
    joined = draw.integers(0, DAYS, members)  # members come over the years
    alive = joined[None, :] <= ((day - day[0]).days.to_numpy())[:, None]
    alive[:, : max(members // 5, 3)] = True
    member = np.argmax(np.where(alive, draw.gumbel(size=alive.shape), -np.inf), axis=1)
    wish = 0.5 * world.liking[member][:, world.topic] + draw.gumbel(size=(count, films))
    item = np.argmax(wish, axis=1)
    noise = draw.normal(0, 0.9, count)
    value = 3.3 + 0.8 * world.match(member, item) + 0.9 * world.appeal[item] + 0.7 * world.leaning[member] + noise
    log = pd.DataFrame({"user": member + 1, "film": item + 1, "stars": np.clip(np.round(value), 1, 5).astype(int)})
    log["day"] = day.strftime("%d.%m.%Y")
    log.drop_duplicates(["user", "film"]).to_csv(folder / "ratings.csv", index=False, sep=";")
    trusting, trusted = trust
    since = pd.Timestamp(START) + pd.to_timedelta(
        np.minimum(np.maximum(joined[trusting], joined[trusted]) + 1, DAYS), "D"
    )
    edges = pd.DataFrame({"user": trusting + 1, "trusts": trusted + 1, "day": since.strftime("%d.%m.%Y")})
    edges.to_csv(folder / "trust.csv", index=False, sep=";")
    genre = np.array(["drama", "comedy", "crime", "family", "horror", "history"])[world.topic]
    genre[draw.random(films) < 0.1] = ""  # some are not known
    catalog = pd.DataFrame({"film": np.arange(films) + 1, "genre": genre, "year": draw.integers(1960, 2019, films)})
    catalog.to_csv(folder / "films.csv", index=False, sep=";")


def _trust(draw: np.random.Generator, liking: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Draw six trusted members of each: mostly those with the same taste."""
    members, each = len(liking), min(6, len(liking) - 1)
    alike = liking @ liking.T + 2 * draw.gumbel(size=(members, members))
    np.fill_diagonal(alike, -np.inf)
    trusted = np.argsort(-alike, axis=1)[:, :each]
    return np.repeat(np.arange(members), each), trusted.ravel()
