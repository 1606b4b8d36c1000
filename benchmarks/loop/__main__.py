"""``python -m benchmarks.loop``: thirty simulated days of a product whose members answer."""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from benchmarks.loop.faults import DRIFT, DRIFT_DAY, ROWS, bot, drift, set_faults
from benchmarks.loop.monitor import Monitor
from benchmarks.loop.nights import Nights
from benchmarks.loop.page import Night, write_page
from benchmarks.loop.product import LENGTHS, LoopProduct, served
from benchmarks.loop.traffic import POLICIES, Traffic
from benchmarks.monitoring_faults.table import EXPECTED
from benchmarks.table import show
from feature_repo.sources.world.draw import DAY, HOUR
from feature_repo.sources.world.live import LiveSize, LiveWorld
from feature_repo.sources.world.size import WorldSize

DAYS = 30
FIRST = sum(LENGTHS.values()) + 1
NIGHT = 2 * HOUR + HOUR // 2
"""Seconds after midnight: the outcomes of the day before have settled; the night's runs take place."""
_ADAPTED = 15
"""Nights after the drift within which a version that knows it has to be promoted."""
_PUSHES = (9 * HOUR, 15 * HOUR, 21 * HOUR)


def world(days: int, seed: int) -> LiveWorld:
    """The loop's world: a few hundred members, and enough notifications that a session has a choice."""
    size = WorldSize(
        members=400, creators=60, companies=20, posts=1200, jobs=300, notifications=20 * days, deliveries=24
    )
    return LiveWorld(LiveSize(size, days, FIRST, each_day=1.2, candidates=8), seed, drift(FIRST))


def one_day(traffic: Traffic, nights: Nights, day: int, fault: str) -> None:
    """Serve the sessions of a day; at night, and three times a day, the product gets what it can know by then.

    ``fault``: that of the day before, on which the night judges.
    """
    rows, times = traffic.live.day(day), traffic.live.sessions.time
    pauses = {day * DAY + second for second in (NIGHT, *_PUSHES)}
    for time_of_rows in sorted({*times[rows].tolist(), *pauses}):
        if time_of_rows in pauses:
            traffic.product.set_clock(time_of_rows)
            traffic.push(time_of_rows)
        if time_of_rows == day * DAY + NIGHT:
            tell(nights.run(time_of_rows, fault), traffic.shown())
        now = rows[times[rows] == time_of_rows]
        if len(now) and traffic.product.versions():
            traffic.serve(now)


def tell(night: Night, shown: pd.DataFrame) -> None:
    """Print a line about a night and the day before it."""
    rates = ""
    if len(shown) and (some := shown[shown["day"] == night.day]).size:
        means = some[["clicked", "predicted", *POLICIES]].mean()
        rates = "  ".join([f"{len(some)} sessions", *(f"{name} {means[name]:.3f}" for name in means.index)])
    verdict = " ".join(part for part in (night.state, night.cause, night.fault and f"[{night.fault}]") if part)
    print("  ".join(filter(None, (night.day, rates, verdict, *night.done, f"{night.seconds:.0f} s"))), flush=True)


def loop(product: LoopProduct, options: argparse.Namespace) -> tuple[pd.DataFrame, list[Night]]:
    """Run the days; return what was shown, and what was found at night."""
    product.set_clock(FIRST * DAY)
    traffic = Traffic(product, world(FIRST + options.days, options.seed), options.seed)
    nights = Nights(product, traffic, None if options.no_monitor else Monitor(product), options.train_every)
    before = ""
    for number in range(options.days):
        fault = "" if options.no_monitor else set_faults(traffic, number)
        one_day(traffic, nights, FIRST + number, before)
        if fault == "bot":
            bot(traffic, FIRST + number)
        before = fault or (DRIFT if number == DRIFT_DAY and not options.no_monitor else "")
    product.set_clock((FIRST + options.days) * DAY + NIGHT)
    traffic.push((FIRST + options.days) * DAY + NIGHT)
    tell(nights.run((FIRST + options.days) * DAY + NIGHT, before), traffic.shown())
    return traffic.shown(), nights.found


def monitored(nights: Sequence[Night]) -> dict[str, bool]:
    """Whether each fault, and the drift, was named in time with its cause and its action."""
    bars = {}
    for place, night in enumerate(nights):
        right = EXPECTED[ROWS.get(night.fault, night.fault)] if night.fault else None
        if right is not None and (judged := nights[place : place + right.within])[-1].state:
            bars[f"{night.fault}_is_named"] = any(
                one.cause in right.causes and one.state == right.state.value for one in judged
            )
        if night.fault == DRIFT and len(nights) - place >= _ADAPTED:
            bars["a_canary_won_after_the_drift"] = any(one.promoted for one in nights[place:])
    return bars


def main(argv: Sequence[str] | None = None) -> int:
    """Run the loop; return 1 where a bar does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.loop", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--days", type=int, default=DAYS, help=f"simulated days (default: {DAYS})")
    parser.add_argument("--seed", type=int, default=7, help="of the world (default: 7)")
    parser.add_argument("--no-monitor", action="store_true", help="no faults, no verdicts: train on schedule")
    parser.add_argument("--train-every", type=int, default=7, metavar="DAYS", help="train on schedule (default: 7)")
    parser.add_argument("--folder", type=Path, help="keep everything here (default: a temporary folder)")
    parser.add_argument(
        "--page", type=Path, default=Path("build/loop"), help="folder of the page (default: build/loop)"
    )
    options = parser.parse_args(argv)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch, served(options.folder or Path(scratch)) as product:
        shown, nights = loop(product, options)
    print(f"page: {write_page(shown, nights, options.page)}")
    means = shown[["clicked", *POLICIES]].mean()
    seconds = time.monotonic() - started
    figures = {
        "days": options.days,
        "sessions": len(shown),
        **{name: float(means[name]) for name in ("clicked", *POLICIES)},
        "seconds": seconds,
    }
    bars = {
        "no_slate_was_a_fallback": not shown["fallback"].any(),
        "the_ranker_beats_popularity": bool(means["ranker"] > means["popularity"] > means["random"]),
        **monitored(nights),
        "minutes_at_most_15": seconds <= 15 * 60,
    }
    return show("loop", figures, bars)


if __name__ == "__main__":
    sys.exit(main())
