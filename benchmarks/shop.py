"""A small synthetic shop as three CSV files, for docs/tutorial.md: members, items, and which items were shown to whom.

Files of more days begin with the rows of fewer days, as a log that has grown does.
"""

import argparse
import csv
import datetime as dt
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

MEMBERS, ITEMS, NEW_ITEMS_A_DAY = 300, 120, 3
COUNTRIES = ("DE", "FR", "NL", "AT")
CATEGORIES = ("coffee", "garden", "games", "kitchen", "outdoor", "books")
_ADJECTIVES = ("small", "large", "light", "classic", "red", "folding", "quiet", "sturdy")
_NOUNS = {
    "coffee": ("grinder", "kettle", "filter", "press"),
    "garden": ("rake", "hose", "planter", "shears"),
    "games": ("puzzle", "card game", "dice set", "chess board"),
    "kitchen": ("pan", "knife", "scale", "bowl"),
    "outdoor": ("tent", "lamp", "backpack", "stove"),
    "books": ("novel", "atlas", "cookbook", "biography"),
}
_SEED = 22


def write(folder: Path, start: dt.date, days: int) -> dict[str, int]:
    """Write members.csv, items.csv and views.csv of ``days`` days from ``start`` (UTC). Returns the rows of each."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(_SEED)
    members = _members(random, start)
    tastes = random.normal(0, 2.0, (MEMBERS, len(CATEGORIES)))
    eager = random.normal(0, 0.4, MEMBERS)
    items = [_item(number, start, start - dt.timedelta(30)) for number in range(ITEMS)]
    items += [
        _item(ITEMS + NEW_ITEMS_A_DAY * day + nth, start, start + dt.timedelta(day))
        for day in range(days)
        for nth in range(NEW_ITEMS_A_DAY)
    ]
    views = [row for day in range(days) for row in _day(day, start, items, tastes, eager)]
    heads = {
        "members.csv": ["member_id", "joined", "country", "year_of_birth"],
        "items.csv": ["item_id", "listed", "title", "category", "price"],
        "views.csv": [
            "view_id",
            "shown_at",
            "settled_at",
            "member_id",
            "item_id",
            "place",
            "device",
            "clicked",
            "bought",
        ],
    }
    rows: dict[str, list[list[Any]]] = {"members.csv": members, "items.csv": items, "views.csv": views}
    for name, head in heads.items():
        _write(folder / name, head, rows[name])
    return {name: len(found) for name, found in rows.items()}


def _members(random: np.random.Generator, start: dt.date) -> list[list[Any]]:
    joined = random.integers(1, 700, MEMBERS)
    born = random.integers(1950, 2006, MEMBERS)
    country = random.integers(0, len(COUNTRIES), MEMBERS)
    return [
        [1000 + number, start - dt.timedelta(int(joined[number])), COUNTRIES[country[number]], int(born[number])]
        for number in range(MEMBERS)
    ]


def _item(number: int, start: dt.date, listed: dt.date) -> list[Any]:
    """One item; its properties depend on its number alone, so a longer log keeps them."""
    random = np.random.default_rng([_SEED, 1, number])
    category = CATEGORIES[random.integers(len(CATEGORIES))]
    title = f"{random.choice(_ADJECTIVES)} {random.choice(_NOUNS[category])}"
    listed = (
        min(listed + dt.timedelta(int(random.integers(0, 30))), start - dt.timedelta(1)) if listed < start else listed
    )
    return [f"p{number:04d}", listed, title, category, f"{random.lognormal(3.2, 0.7):.2f}"]


def _day(
    day: int, start: dt.date, items: list[list[Any]], tastes: np.ndarray, eager: np.ndarray
) -> Iterable[list[Any]]:
    """Rows of one day, in the order of their times: who was shown what, and what came of it."""
    random = np.random.default_rng([_SEED, 2, day])
    midnight = dt.datetime.combine(start, dt.time(), dt.UTC) + dt.timedelta(day)
    alive = [number for number, item in enumerate(items) if item[1] < midnight.date()]
    quality = np.array([np.random.default_rng([_SEED, 3, number]).normal(0, 0.7) for number in alive])
    category = np.array([CATEGORIES.index(items[number][3]) for number in alive])
    price = np.array([float(items[number][4]) for number in alive])
    rows: list[list[Any]] = []
    for member in np.flatnonzero(random.random(MEMBERS) < 0.4):
        newsletter = random.random() < 0.4
        device = "phone" if random.random() < 0.6 else "desktop"
        time = midnight + dt.timedelta(seconds=int(6 * 3600 + random.integers(0, 16 * 3600)))
        for shown in random.choice(len(alive), 4, replace=False):
            logit = -2.3 + tastes[member, category[shown]] + quality[shown] + eager[member] + 0.5 * (not newsletter)
            clicked = random.random() < 1 / (1 + np.exp(-logit))
            bought = clicked and random.random() < 1 / (
                1 + np.exp(1.2 + 0.8 * (np.log(price[shown]) - 3.2) + 0.6 * (device == "phone"))
            )
            settled = time + dt.timedelta(seconds=int(random.integers(60, 7200)))
            place = "newsletter" if newsletter else "feed"
            moments = (moment.strftime("%Y-%m-%dT%H:%M:%SZ") for moment in (time, settled))
            rows.append(
                [*moments, 1000 + int(member), items[alive[shown]][0], place, device, int(clicked), int(bought)]
            )
            time += dt.timedelta(seconds=int(random.integers(5, 60)))
    rows.sort(key=lambda row: row[0])
    return [[f"{midnight:%Y%m%d}-{number:04d}", *row] for number, row in enumerate(rows)]


def _write(file: Path, head: list[str], rows: list[list[Any]]) -> None:
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(head)
        writer.writerows(rows)


def main(argv: list[str] | None = None) -> int:
    """Write the files and print their rows."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shop", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--from", dest="start", type=dt.date.fromisoformat, default=dt.date(2026, 3, 2))
    parser.add_argument("--days", type=int, default=28)
    options = parser.parse_args(argv)
    if options.days < 1:
        parser.error(f"--days: expected at least 1; found {options.days}")
    for name, rows in write(options.folder, options.start, options.days).items():
        print(f"{options.folder / name}: {rows:,} rows")
    return 0


if __name__ == "__main__":
    sys.exit(main())
