"""Drift of all rows: ``python -m benchmarks.drift [--rows 1000000] [--without-peer]``.

Two tables of 20 columns: 16 numbers (normal, shifted, heavy tails, counts, rates, times; two with nulls) and 4
categories of at most 200 names. Ours: the profile of the reference, the profile of the current rows in its bins, and
the comparison, in a process of its own with both tables in memory; the best of three, after a warm-up on 1,000 rows.
Peer: Evidently's DataDriftPreset with its defaults on the same rows, once (on 1 M rows a minute or two), in another
process. PSI, Jensen-Shannon and Wasserstein distance of the columns without nulls are compared with those of
Evidently's own tests on all rows.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather

from benchmarks.table import show
from models.spec import Feature

_ROWS = 1_000_000
_SECONDS, _GIGABYTES, _DISTANCE, _TIMES = 1.0, 0.7, 0.005, 40.0
_NAMES = 200
_SIDES = ("reference", "current")
_NUMBERS: dict[str, Callable[[np.random.Generator, int, float], np.ndarray]] = {
    "still": lambda random, rows, _: random.normal(1000, 1, rows),
    "moved": lambda random, rows, shift: random.normal(1000 + shift, 1, rows),
    "slightly_moved": lambda random, rows, shift: random.normal(shift / 10, 1, rows),
    "wider": lambda random, rows, shift: random.normal(0, 1 + 2 * shift, rows),
    "narrow": lambda random, rows, shift: random.normal(0, 0.02 + 0.002 * shift, rows),
    "single": lambda random, rows, shift: random.normal(0, 1 + shift / 4, rows).astype(np.float32),
    "uniform": lambda random, rows, _: random.random(rows),
    "lognormal": lambda random, rows, shift: random.lognormal(0, 1.5 + shift / 10, rows),
    "pareto": lambda random, rows, shift: random.pareto(2.5, rows) * (1 + shift / 5),
    "count": lambda random, rows, shift: random.poisson(4 + shift / 5, rows),
    "exposures": lambda random, rows, _: np.minimum(random.zipf(1.6, rows), 100_000),
    "rate": lambda random, rows, shift: random.beta(2, 30 + 3 * shift, rows).round(3),
    "mostly_zero": lambda random, rows, shift: np.where(
        random.random(rows) < 0.6, 0, random.exponential(1 + shift / 10, rows)
    ),
    "flag": lambda random, rows, shift: (random.random(rows) < 0.02 + 0.02 * shift).astype(np.int64),
    "holes": lambda random, rows, _: np.where(random.random(rows) < 0.2, np.nan, random.normal(size=rows)),
    "more_holes": lambda random, rows, shift: np.where(
        random.random(rows) < 0.1 + shift / 5, np.nan, random.random(rows)
    ),
}
_CATEGORIES: dict[str, Callable[[np.random.Generator, int, float], np.ndarray]] = {
    "kind": lambda random, rows, shift: random.choice(4, rows, p=[0.4 + shift / 10, 0.3 - shift / 10, 0.2, 0.1]),
    "country": lambda random, rows, _: np.minimum(random.zipf(1.5, rows), 50),
    "region": lambda random, rows, _: random.integers(0, _NAMES, rows),
    "segment": lambda random, rows, shift: np.minimum(random.geometric(0.1 + shift / 100, rows), 60),
}
_WITH_NULLS = ("holes", "more_holes")


def features() -> list[Feature]:
    """The columns of both tables."""
    return [Feature(name, "number", 1) for name in _NUMBERS] + [Feature(name, "category", 1) for name in _CATEGORIES]


def write_side(path: Path, rows: int, seed: int, shift: float) -> None:
    """Write one table as Arrow: the same for the same arguments."""
    random = np.random.default_rng(seed)
    columns = {name: pa.array(make(random, rows, shift), from_pandas=True) for name, make in _NUMBERS.items()}
    names = pa.array([f"name {number}" for number in range(_NAMES)])
    for name, make in _CATEGORIES.items():
        columns[name] = names.take(pa.array(make(random, rows, shift)))
    feather.write_feather(pa.table(columns), path, compression="uncompressed")


def measure_ours(folder: Path) -> dict[str, Any]:
    """Seconds of profiles and comparison, peak memory of this process in GB, and the scores by column."""
    from models.profile import compare_columns, profile_rows

    sides = [feather.read_table(folder / f"{side}.arrow", memory_map=False) for side in _SIDES]
    seconds, busy = [], []
    for part in ([side[:1000] for side in sides], sides, sides, sides):
        started, working = perf_counter(), process_time()
        reference = profile_rows(part[0], features())
        found = compare_columns(reference, profile_rows(part[1], features(), reference))
        seconds.append(perf_counter() - started)
        busy.append(process_time() - working)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    scores = {name: {"psi": one.psi, "js": one.js, "wasserstein": one.wasserstein} for name, one in found.items()}
    spent = {"seconds": min(seconds[1:]), "slowest": max(seconds[1:]), "busy": min(busy[1:])}
    return {**spent, "gigabytes": peak, "scores": scores}


def measure_peer(folder: Path) -> dict[str, Any]:
    """Seconds of Evidently's preset, and the scores of Evidently's tests by column without nulls."""
    os.environ["DO_NOT_TRACK"] = "1"  # read by evidently.telemetry when an event would be sent
    from evidently import DataDefinition, Dataset, Report
    from evidently.legacy.calculations.stattests import jensenshannon_stat_test, psi_stat_test, wasserstein_stat_test
    from evidently.legacy.core import ColumnType
    from evidently.presets import DataDriftPreset

    before, now = (feather.read_table(folder / f"{side}.arrow").to_pandas() for side in _SIDES)
    definition = DataDefinition(numerical_columns=[*_NUMBERS], categorical_columns=[*_CATEGORIES])
    started = perf_counter()
    data = [Dataset.from_pandas(side, definition) for side in (now, before)]
    Report([DataDriftPreset()]).run(*data).dict()
    seconds = perf_counter() - started
    tests = {"psi": psi_stat_test, "js": jensenshannon_stat_test, "wasserstein": wasserstein_stat_test}
    scores: dict[str, dict[str, float]] = {}
    for feature in features():
        if feature.name in _WITH_NULLS or (feature.kind == "number" and before[feature.name].std() <= 0.01):
            continue
        kind = ColumnType.Numerical if feature.kind == "number" else ColumnType.Categorical
        scores[feature.name] = {
            name: float(test(before[feature.name], now[feature.name], kind, 0.1).drift_score)
            for name, test in tests.items()
            if name != "wasserstein" or feature.kind == "number"
        }
    return {"seconds": seconds, "scores": scores}


def main(arguments: list[str] | None = None) -> int:
    """Measure both sides in processes of their own; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=_ROWS, help="rows of each table")
    parser.add_argument("--without-peer", action="store_true", help="measure ours only")
    parser.add_argument("--side", choices=("ours", "peer"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.side:
        print(json.dumps((measure_ours if chosen.side == "ours" else measure_peer)(chosen.folder)))
        return 0
    with TemporaryDirectory() as scratch:
        for seed, side in enumerate(_SIDES):
            write_side(Path(scratch) / f"{side}.arrow", chosen.rows, seed, float(seed))
        ours = _child("ours", scratch)
        peer = None if chosen.without_peer else _child("peer", scratch)
    figures: dict[str, float | int | str] = {
        "rows": chosen.rows,
        "columns": len(features()),
        "seconds": ours["seconds"],
    }
    figures |= {"seconds, slowest of 3": ours["slowest"], "CPU seconds": ours["busy"], "peak GB": ours["gigabytes"]}
    bars = {f"{_SECONDS:g} s or less": ours["seconds"] <= _SECONDS}
    bars[f"{_GIGABYTES:g} GB or less"] = ours["gigabytes"] <= _GIGABYTES
    if peer is not None:
        far = {
            f"{column} {name}": abs(score - ours["scores"][column][name])
            for column, scores in peer["scores"].items()
            for name, score in scores.items()
        }
        worst = max(far, key=lambda name: far[name])
        figures |= {"Evidently, seconds": peer["seconds"], "times faster": peer["seconds"] / ours["seconds"]}
        figures |= {"scores compared": len(far), "largest difference": f"{far[worst]:.5f} ({worst})"}
        bars[f"scores within {_DISTANCE:g} of Evidently's"] = far[worst] <= _DISTANCE
        bars[f"{_TIMES:g} times faster"] = peer["seconds"] >= _TIMES * ours["seconds"]
    return show("drift", figures, bars)


def _child(side: str, folder: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.drift", "--side", side, "--folder", folder]
    found = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return dict(json.loads(found.stdout.splitlines()[-1]))


if __name__ == "__main__":
    sys.exit(main())
