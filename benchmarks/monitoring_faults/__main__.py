"""``python -m benchmarks.monitoring_faults``: 22 faults in three simulated products, and quiet months without one.

Faults: a product is served for five weeks, then each fault is injected into its next days (the table's ``within``). It
is found if the verdict of the last of them, or of one before, names cause and state of the table, and none before names
another action. The same for faults that are not in the table (``others``): there the cause has to make sense. Quiet:
months of 30 days after four weeks to learn from; an alarm is a day whose verdict is neither healthy nor watch. The same
days are given to fixed thresholds (PSI, ratio, daily z-test) for comparison. Young: the first twelve served days of a
product whose version has a profile, with a fault on all of them or none; limits were chosen on the seeds 5000 and 5001.

Limits were chosen on the seeds 1000 to 1099 and 5000 to 5005. Reported are the seeds 1 to 3 (faults) and from 6000 on
(quiet).
"""

import argparse
import os
import time
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

import numpy as np

from benchmarks.monitoring_faults.faults import FAULTS
from benchmarks.monitoring_faults.others import OTHERS
from benchmarks.monitoring_faults.product import CALM, Product
from benchmarks.monitoring_faults.table import EXPECTED
from benchmarks.monitoring_faults.world import World
from benchmarks.monitoring_faults.young import DAYS, FROM_THE_FIRST_DAY, first_days, found_from_the_first_day, trained
from benchmarks.table import show

_SEEDS, _QUIET_SEED = 3, 6000
_LEARNING, _BEFORE, _MONTH = 28, 35, 30
_MONTHS_OF_A_WORLD = 5
_FOUND, _CALM_MONTHS = 63 / 66, 0.95


class Result(NamedTuple):
    """A fault in one product."""

    fault: str
    seed: int
    right: bool
    days: int
    state: str
    cause: str


class Month(NamedTuple):
    """Thirty quiet days."""

    alarms: int
    causes: tuple[str, ...]
    watched: int
    fixed: int
    """Days on which one of the fixed thresholds fires."""


def faults_of(seed: int, names: list[str], rows: int) -> list[Result]:
    """Inject each fault, of the table or of ``OTHERS``, into the product with this seed."""
    product = Product(World(seed, rows))
    for _ in range(_BEFORE):
        product.next()
    return [(_injected if name in EXPECTED else _other)(product.copy(), name, seed) for name in names]


def _other(product: Product, name: str, seed: int) -> Result:
    fault, causes = OTHERS[name]
    verdict = product.next(lambda served: fault(served, np.random.default_rng([seed, 2])))
    right = verdict.cause in causes and verdict.state not in CALM
    return Result(name, seed, right, 1, str(verdict.state), verdict.cause)


def _injected(product: Product, name: str, seed: int) -> Result:
    expected = EXPECTED[name]
    day, right, verdict = 0, False, product.verdicts[-1]
    while day < expected.within and not right:
        # The same draw each day: a fault does not change its direction.
        verdict = product.next(lambda served: FAULTS[name](served, np.random.default_rng([seed, 2])))
        day += 1
        right = verdict.cause in expected.causes and verdict.state == expected.state
        if not right and verdict.state not in CALM:
            break
    return Result(name, seed, right, day, str(verdict.state), verdict.cause)


def quiet_months(seed: int, months: int, rows: int) -> list[Month]:
    """Judge that many months of a product without a fault, one after the other."""
    product = Product(World(seed, rows))
    for _ in range(_LEARNING):
        product.next()
    found = []
    for _ in range(months):
        verdicts, fixed = [], 0
        for _ in range(_MONTH):
            verdicts.append(product.next())
            fixed += bool(product.fixed_rules())
        alarms = tuple(one.cause for one in verdicts if one.state not in CALM)
        found.append(Month(len(alarms), alarms, sum(bool(one.cause) for one in verdicts), fixed))
    return found


def young_of(seed: int, rows: int) -> tuple[list[Result], int]:
    """A young product with this seed: a result per fault that is there from the first day on; alarms without one."""
    world = World(seed, rows)
    profile = trained(world)
    quiet = sum(one.state not in CALM for one in first_days(world, profile))
    results = []
    for name, expected in FROM_THE_FIRST_DAY.items():
        verdicts = first_days(world, profile, name)
        last = verdicts[-1]
        right = found_from_the_first_day(verdicts, expected)
        results.append(Result(name, seed, right, expected.within, str(last.state), last.cause))
    return results, quiet


def main() -> int:
    """Run what the options ask for; the exit status is 1 if a bar does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.monitoring_faults", description=__doc__)
    parser.add_argument("--seeds", type=int, default=_SEEDS, help="products into which each fault is injected")
    every = [*EXPECTED, *OTHERS]
    parser.add_argument("--faults", nargs="*", choices=every, default=every, metavar="FAULT")
    parser.add_argument("--rows", type=int, default=20_000, help="served rows of a day")
    parser.add_argument("--quiet", type=int, default=0, help="quiet months, after or instead of faults (--seeds 0)")
    parser.add_argument("--young", type=int, default=0, help="young products, after all others")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    begun = time.monotonic()
    figures: dict[str, float | int | str] = {}
    bars: dict[str, bool] = {}
    with ProcessPoolExecutor(given.processes) as pool:
        if given.seeds:
            waiting = [pool.submit(faults_of, 1 + seed, given.faults, given.rows) for seed in range(given.seeds)]
            results = [result for one in waiting for result in one.result()]
            _print_faults(results)
            for name, chosen in (("faults", EXPECTED), ("others", OTHERS)):
                of_kind = [one for one in results if one.fault in chosen]
                right = sum(one.right for one in of_kind)
                figures |= {name: len(of_kind), f"{name}_right": right}
                bars[f"{name}_cause_and_action"] = right >= _FOUND * len(of_kind)
        if given.quiet:
            worlds = [min(_MONTHS_OF_A_WORLD, given.quiet - done) for done in range(0, given.quiet, _MONTHS_OF_A_WORLD)]
            running = [
                pool.submit(quiet_months, _QUIET_SEED + place, months, given.rows)
                for place, months in enumerate(worlds)
            ]
            found = []
            for place, one in enumerate(running):
                found += one.result()
                print(f"  quiet seed {_QUIET_SEED + place}: {_alarms(one.result())}", flush=True)
            figures |= _quiet_figures(found)
            bars["calm_months"] = sum(month.alarms <= 1 for month in found) >= _CALM_MONTHS * len(found)
        if given.young:
            running_young = [pool.submit(young_of, 1 + seed, given.rows) for seed in range(given.young)]
            more, held = _young_figures([one.result() for one in running_young])
            figures, bars = figures | more, bars | held
    return show("monitoring faults", {**figures, "seconds": time.monotonic() - begun}, bars)


def _young_figures(found: list[tuple[list[Result], int]]) -> tuple[dict[str, float | int | str], dict[str, bool]]:
    results, alarms = [result for one, _ in found for result in one], [quiet for _, quiet in found]
    _print_faults(results)
    right = sum(one.right for one in results)
    figures: dict[str, float | int | str] = {"young": len(results), "young_right": right}
    figures |= {"young_quiet_days": DAYS * len(alarms), "young_alarm_days": sum(alarms)}
    calm = sum(one <= 1 for one in alarms) >= _CALM_MONTHS * len(alarms)
    return figures, {"young_cause_and_action": right >= _FOUND * len(results), "young_calm": calm}


def _print_faults(results: list[Result]) -> None:
    width = max(map(len, [*EXPECTED, *OTHERS]))
    for one in results:
        right = "right" if one.right else "WRONG"
        print(f"  {one.fault:<{width}}  seed {one.seed}  {right} after {one.days}  {one.state}  {one.cause}")


def _alarms(months: list[Month]) -> str:
    return "; ".join(", ".join(month.causes) or "no alarm" for month in months)


def _quiet_figures(found: list[Month]) -> dict[str, float | int | str]:
    causes = sorted(cause for month in found for cause in month.causes)
    days = _MONTH * len(found)
    return {
        "months": len(found),
        "months_calm": sum(month.alarms <= 1 for month in found) / len(found),
        "alarm_days": sum(month.alarms for month in found),
        "alarm_causes": ", ".join(f"{cause} x{causes.count(cause)}" for cause in dict.fromkeys(causes)) or "none",
        "watched_days": sum(month.watched for month in found),
        "fixed_thresholds_alarm_days": sum(month.fixed for month in found),
        "fixed_thresholds_months_calm": sum(month.fixed <= 1 for month in found) / len(found),
        "quiet_days": days,
    }


if __name__ == "__main__":
    raise SystemExit(main())
