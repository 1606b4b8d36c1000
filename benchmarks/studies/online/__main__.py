"""``python -m benchmarks.studies.online``: an A/B test in a simulated network whose members answer.

Arms: cross-domain, single-domain, trees on counters, vectors refreshed every week, a version left alone. Runs that were
ended go on where they were.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from benchmarks.studies.online.arms import ARMS, REFERENCE
from benchmarks.studies.online.days import Run
from benchmarks.studies.online.table import DIFFERENCES, compared, write_report
from benchmarks.studies.online.world import make_world
from benchmarks.studies.study import ROOT
from benchmarks.table import show
from feature_repo.sources.world.size import SIZES
from models.spec import load_spec

DAYS = 30


def main(argv: Sequence[str] | None = None) -> int:
    """Run the days of every seed, write table and picture; return 1 where a bar does not hold."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.studies.online", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--days", type=int, default=DAYS, help=f"served days (default: {DAYS})")
    parser.add_argument("--seeds", type=int, nargs="+", default=[7], help="of the worlds (default: 7)")
    parser.add_argument("--size", choices=tuple(SIZES), default="default", help="of the world (default: default)")
    parser.add_argument("--no-drift", action="store_true", help="taste and interests stay as the world has them")
    parser.add_argument("--folder", type=Path, default=ROOT / "state" / "online", help="what a run keeps")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "online", help="folder of table and picture")
    parser.add_argument("--only", choices=("run", "table"), help="run only this half; default: both")
    options = parser.parse_args(argv)
    spec, started = load_spec(ROOT / "configs" / "professional.yaml"), time.monotonic()
    shown = []
    for seed in options.seeds:
        drift = "-still" if options.no_drift else ""
        folder = options.folder / f"{options.size}-{options.days}-{seed}{drift}"  # other days are another world
        live = make_world(options.size, options.days, seed, not options.no_drift)
        if options.only == "table":
            parts = [pd.read_parquet(path) for path in sorted((folder / "days").glob("*.parquet"))]
            if len(parts) != options.days:
                parser.error(f"{folder}: expected {options.days} days; found {len(parts)}. Leave out --only table")
            shown.append(pd.concat(parts, ignore_index=True))
        else:
            shown.append(Run(spec, live, ARMS, folder, seed).days(options.days, lambda line: print(line, flush=True)))
    if options.only == "run":
        return 0
    found = compared(shown, REFERENCE)
    print(f"table: {write_report(shown, found, options)}")
    bars = {f"{REFERENCE}_above_{name.replace(' ', '_')}": found[name].low > 0 for name in DIFFERENCES}
    figures = {
        "sessions": sum(map(len, shown)),
        **{f"lift_over_{name.replace(' ', '_')}": found[name].value for name in DIFFERENCES},
        "seconds": time.monotonic() - started,
    }
    return show("studies.online", figures, bars)


if __name__ == "__main__":
    sys.exit(main())
