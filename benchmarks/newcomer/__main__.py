"""``python -m benchmarks.newcomer``: five data sets of a stranger, from files to an answering endpoint by YAML alone.

The files are made here, from a hidden model of clicks. Bars, for each data set:

- no command fails, and none prints a traceback;
- `check` takes at most 10 seconds;
- the endpoint answers the example request that the run printed, with the request's own keys;
- on the test days no task's AUC is below that of tuned trees on the same features: the upper bound of the paired
  difference is 0 or more.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.newcomer.data_sets import DATA_SETS
from benchmarks.newcomer.page import table
from benchmarks.newcomer.run import Journey, travel
from benchmarks.table import show

CHECK_SECONDS = 10


def bars_of(one: Journey) -> dict[str, bool]:
    """The bars of a data set."""
    bars = {
        "no_command_fails": not one.failed,
        "no_traceback": not one.traceback,
        "check_within_10_s": 0 < one.check_seconds <= CHECK_SECONDS,
        "endpoint_answers": one.answered,
        "answer_has_the_same_keys": one.same_keys,
        "not_below_trees": bool(one.tasks) and all(task.held for task in one.tasks),
    }
    return {f"{one.name}_{bar}": held for bar, held in bars.items()}


def figures_of(one: Journey) -> dict[str, float | int | str]:
    """The figures of a data set; what is not known is left out."""
    found: dict[str, float | int | str | None] = {
        "check_seconds": round(one.check_seconds, 2),
        "train_seconds": round(one.train_seconds, 1),
        "gate": one.decision,
    }
    for task in one.tasks:
        found |= {f"{task.task}_{key}": value for key, value in vars(task).items() if key != "task"}
    return {f"{one.name}_{key}": value for key, value in found.items() if value is not None}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the data sets one after the other; return 1 where a bar does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.newcomer", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", nargs="+", choices=DATA_SETS, metavar="NAME", help=f"some of {', '.join(DATA_SETS)}")
    parser.add_argument("--seed", type=int, default=7, help="of the data (default: 7)")
    parser.add_argument("--folder", type=Path, help="keep data and state here (default: a temporary folder)")
    options = parser.parse_args(argv)
    started, found = time.monotonic(), []
    for name in options.only or DATA_SETS:
        with tempfile.TemporaryDirectory() as scratch:
            one = travel(name, (options.folder or Path(scratch)) / name, options.seed)
        found.append(one)
        print(f"{name}: {one.failed or one.sentence or one.decision}", *one.reasons, sep="\n  ", flush=True)
    print(table(found))
    figures: dict[str, float | int | str] = {"data_sets": len(found), "seconds": time.monotonic() - started}
    bars: dict[str, bool] = {}
    for one in found:
        figures |= figures_of(one)
        bars |= bars_of(one)
    return show("newcomer", figures, bars)


if __name__ == "__main__":
    sys.exit(main())
