"""``python -m benchmarks.loop``: thirty simulated days of a product whose members answer, in 15 minutes on 2 cores."""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.loop.product import LENGTHS, LoopProduct, served
from benchmarks.loop.traffic import POLICIES, Traffic
from benchmarks.table import show
from feature_repo.sources.world.draw import DAY, HOUR
from feature_repo.sources.world.live import LiveSize, LiveWorld
from feature_repo.sources.world.size import WorldSize

DAYS = 30
FIRST = sum(LENGTHS.values())
NIGHT = 2 * HOUR + HOUR // 2
"""Seconds after midnight: the outcomes of the day before have settled; the night's runs take place."""
_PUSHES = (9 * HOUR, 15 * HOUR, 21 * HOUR)


def world(days: int, seed: int) -> LiveWorld:
    """The loop's world: a few hundred members, and enough notifications that a session has a choice."""
    size = WorldSize(members=400, creators=60, companies=20, posts=1200, jobs=300, notifications=20 * days, deliveries=24)
    return LiveWorld(LiveSize(size, days, FIRST, each_day=1.2, candidates=8), seed)


def one_day(traffic: Traffic, day: int) -> float:
    """Serve the sessions of a day; at night the product gets the new data. Returns the seconds of the night's runs."""
    rows, seconds = traffic.live.day(day), 0.0
    pauses = [day * DAY + NIGHT, *(day * DAY + second for second in _PUSHES)]
    for time_of_rows in np.unique(np.concatenate([traffic.live.sessions.time[rows], pauses])):
        if time_of_rows in pauses:
            traffic.product.set_clock(int(time_of_rows))
            traffic.push(int(time_of_rows))
        if time_of_rows == pauses[0]:
            seconds = night(traffic, int(time_of_rows))
        now = rows[traffic.live.sessions.time[rows] == time_of_rows]
        if len(now) and traffic.product.versions():
            traffic.serve(now)
    return seconds


def night(traffic: Traffic, now: int) -> float:
    """New raw data, then a run: training where nothing serves yet, else fresh vectors."""
    traffic.export(now)
    return traffic.product.run("refresh" if traffic.product.versions() else "training")


def table(shown: pd.DataFrame) -> pd.DataFrame:
    """By day: sessions, realised CTR, and the mean true probability of every policy on the same sessions."""
    by_day = shown.assign(day=shown["time"] // DAY).groupby("day")
    return by_day[["clicked", "predicted", *POLICIES]].mean().assign(sessions=by_day.size())


def loop(product: LoopProduct, days: int, seed: int) -> pd.DataFrame:
    """Run the days; return what was shown."""
    traffic = Traffic(product, world(FIRST + days, seed), seed)
    for day in range(FIRST, FIRST + days):
        seconds = one_day(traffic, day)
        last = table(traffic.shown.frame()).iloc[-1]
        figures = "  ".join(f"{name} {last[name]:.3f}" for name in ("clicked", "predicted", *POLICIES))
        print(f"{product.date(day)}: {last['sessions']:.0f} sessions  {figures}  {seconds:.0f} s", flush=True)
    return traffic.shown.frame()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the loop; return 1 where a bar does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.loop", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--days", type=int, default=DAYS, help=f"simulated days (default: {DAYS})")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--folder", type=Path, help="keep everything here (default: a temporary folder)")
    options = parser.parse_args(argv)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch, served(options.folder or Path(scratch)) as product:
        shown = loop(product, options.days, options.seed)
    means = shown[["clicked", *POLICIES]].mean()
    figures = {"days": options.days, "sessions": len(shown), **means, "seconds": time.monotonic() - started}
    bars = {"the_ranker_beats_popularity": bool(means["ranker"] > means["popularity"])}
    return show("loop", figures, bars)


if __name__ == "__main__":
    sys.exit(main())
