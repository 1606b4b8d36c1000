"""Join of served rows with outcomes: ``python -m benchmarks.outcome_join [--rows 2000000]``.

Ten days of served rows with 20 features each, as JSON lines and as Parquet parts, and outcomes of one task whose
attribution is a day, with injected duplicates, orphans, late and skewed ones and torn lines
(``benchmarks.outcome_world``). Each join is measured in its own process, cold: at full size 15 s and 1.5 GB at most.
Counts are compared with the truth of the injection, labels with what was drawn. Peer in the same run: the reader that
builds a pandas frame row by row (``models.served.read``), on one day of lines, extrapolated to all days.

The summary of a day (``monitoring.days``) is measured in the same way: all rows as those of one day, with a second
task.

The CTR of settled labels is compared with the truth at cut-offs from the last row to two attributions after it, and, at
a million rows and more, with the CTR of all rows. Beside it the naive ratio: outcomes received so far among the rows of
the last two hours.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any

import numpy as np

from benchmarks import outcome_world as worlds
from benchmarks.outcome_world import ATTRIBUTION, DAYS, START, OutcomeWorld
from benchmarks.table import show
from models import outcome_parts
from models.cpus import usable_cpus
from models.parquet import parquet_files_source
from models.sql import literal
from models.time_units import DAY
from monitoring.days import DaySummary, summarize
from monitoring.judged_days import rows_of
from monitoring.outcomes import OutcomeCounts, join

_ROWS, _TORN, _CUTS = 2_000_000, 5, 5
_SECOND = "second"
_FULL = 1_000_000
"""From so many rows on the bars of time, memory and of the CTR of all rows hold."""
_SECONDS, _GIGABYTES, _OFF = 15.0, 1.5, 0.01
_LATER = START + (DAYS + 10) * DAY
"""When every outcome has been received."""


def places(folder: Path) -> dict[str, Path | str]:
    """Where the two forms of the served log are."""
    return {"lines": folder / "lines", "parts": str(folder / "parts")}


def joined(folder: Path, form: str, now: int, target: str) -> OutcomeCounts:
    """The join of all days and ten more, in which late outcomes are received."""
    first, last = outcome_parts.day_of(START), outcome_parts.day_of(_LATER - DAY)
    return join(worlds.spec(), places(folder)[form], str(folder / "outcomes"), now, first, last, folder / target)


def one_day(folder: Path) -> None:
    """Write all joined rows as those of the first day, with a second task that is as the first one."""
    import duckdb

    files = [str(file) for file in sorted((folder / "joined-parts").glob("day=*.parquet"))]
    second = ", ".join(f"{name}_click AS {name}_{_SECOND}" for name in ("probability", "label", "happened"))
    (folder / "one-day").mkdir()
    target = literal(str(folder / "one-day" / f"day={outcome_parts.day_of(START)}.parquet"))
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT * REPLACE ({START} + (served - {START}) % {DAY} AS served), {second} "
            f"FROM {parquet_files_source(files)}) TO {target} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 60000)"
        )


def summarized(folder: Path) -> DaySummary:
    """The summary of the rows that ``one_day`` has written."""
    spec = worlds.spec()
    second = spec.tasks["click"].model_copy(update={"primary": False})
    both = spec.model_copy(update={"tasks": {**spec.tasks, _SECOND: second}})
    return summarize(both, rows_of(folder, START, START + DAY), outcome_parts.day_of(START), {})


def measured(folder: Path, form: str) -> dict[str, Any]:
    """Seconds and peak memory of this process for one join, for the summary of a day, or for the peer on one day."""
    started = perf_counter()
    if form == "peer":
        from models.served import read

        day = folder / "day"
        day.mkdir()
        (first, *_) = sorted((folder / "lines").glob("*.jsonl"))
        (day / first.name).symlink_to(first)
        found: dict[str, Any] = {"rows": len(read(day))}
    elif form == "summary":
        found = {"rows": summarized(folder / "one-day").rows}
    else:
        found = {"counts": joined(folder, form, _LATER, f"joined-{form}").to_json()}
    return {**found, "seconds": perf_counter() - started, "cpu_seconds": process_time(), "peak_gb": peak_gb()}


def peak_gb() -> float:
    """Peak memory of this process, without that of the parent that started it, which ``ru_maxrss`` includes."""
    (line,) = (one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024 / 1e9


def in_a_process(folder: Path, form: str) -> dict[str, Any]:
    """The result of ``measured`` in a new Python process."""
    command = [sys.executable, "-m", "benchmarks.outcome_join", "--measure", form, "--folder", str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def expected(world: OutcomeWorld, torn: int) -> dict[str, int]:
    """The counts that were injected."""
    rows, faults = len(world.served), world.injected
    matched = len(world.outcomes) - faults["duplicate"] - faults["orphan"]
    found = {"served": rows, "outcomes": len(world.outcomes), "matched": matched, "settled": rows, "pending": 0}
    return {**found, **faults, "torn": torn, "ahead": 0}


def labels(folder: Path) -> tuple[np.ndarray, list[str]]:
    """(rows,) labels of a join, NaN = none, and the ids of the impressions, by id."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = ["impression", "label_click"]
    tables = [pq.read_table(file, columns=names, partitioning=None) for file in sorted(folder.glob("*.parquet"))]
    table = pa.concat_tables(tables).sort_by("impression")
    return table["label_click"].to_numpy(), table["impression"].to_pylist()


def cut_offs(folder: Path, world: OutcomeWorld) -> dict[str, float]:
    """How far the CTR of settled labels is from that of the same rows and of all rows, and the naive one, at worst."""
    order = np.argsort(np.array(world.impressions))
    served, clicked = world.served[order], world.clicked[order]
    place = {impression: number for number, impression in enumerate(np.array(world.impressions)[order].tolist())}
    worst = {"settled_ctr_off": 0.0, "settled_ctr_off_all": 0.0, "naive_times_off": 1.0, "unsettled_labels": 0.0}
    for part in np.linspace(0, 2, _CUTS):
        now = int(world.served[-1] + part * ATTRIBUTION)
        joined(folder, "parts", now, "cut")
        found, _ = labels(folder / "cut")
        known = ~np.isnan(found)
        truth = clicked[known].mean()
        ratio = found[known].mean() / truth
        worst["settled_ctr_off"] = max(worst["settled_ctr_off"], float(abs(ratio - 1)))
        worst["settled_ctr_off_all"] = max(
            worst["settled_ctr_off_all"], float(abs(found[known].mean() / clicked.mean() - 1))
        )
        worst["unsettled_labels"] += float((known != (served + ATTRIBUTION <= now)).sum())
        recent = served > world.served[-1] - ATTRIBUTION // 12
        came = np.zeros(len(served), bool)
        came[[place[one.impression] for one in world.outcomes if one.received <= now and one.impression in place]] = (
            True
        )
        naive = max(came[recent].sum(), 1) / max(clicked[recent].sum(), 1)
        worst["naive_times_off"] = max(worst["naive_times_off"], float(naive), float(1 / naive))
    return worst


def main() -> int:
    """Build the world, measure each form, compare; return 1 where a bar does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=_ROWS, help="served rows")
    parser.add_argument("--measure", choices=("lines", "parts", "peer", "summary"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measured(options.folder, options.measure)), flush=True)
        return 0
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "lines").mkdir()
        world = worlds.build(options.rows)
        worlds.write_served(world, folder / "lines", folder / "parts", _TORN)
        outcome_parts.write(str(folder / "outcomes"), "outcomes", world.outcomes)
        found = {form: in_a_process(folder, form) for form in ("parts", "lines", "peer")}
        one_day(folder)
        found["summary"] = in_a_process(folder, "summary")
        worst = cut_offs(folder, world)
        exact = {form: labels(folder / f"joined-{form}") for form in ("parts", "lines")}
    order = np.argsort(np.array(world.impressions))
    ids, truth = np.array(world.impressions)[order].tolist(), world.clicked[order]
    share = len(world.served) / max(found["peer"]["rows"], 1)
    full = options.rows >= _FULL
    figures: dict[str, float | int | str] = {"rows": len(world.served), "cores": usable_cpus()}
    bars = {
        "settled_ctr": bool(worst["settled_ctr_off"] <= _OFF),
        "pending_until_settled": not worst["unsettled_labels"],
    }
    if full:
        bars["settled_ctr_of_all_rows"] = bool(worst["settled_ctr_off_all"] <= _OFF)
    for form, torn in (("parts", 0), ("lines", _TORN)):
        figures |= {f"{form}_{name}": found[form][name] for name in ("seconds", "cpu_seconds", "peak_gb")}
        bars[f"{form}_counts"] = found[form]["counts"] == expected(world, torn)
        bars[f"{form}_labels"] = exact[form][1] == ids and bool((exact[form][0] == truth).all())
        if full:
            bars[f"{form}_time"] = found[form]["seconds"] <= _SECONDS
            bars[f"{form}_memory"] = found[form]["peak_gb"] <= _GIGABYTES
    figures |= {
        "peer_rows": found["peer"]["rows"],
        "peer_seconds_extrapolated": found["peer"]["seconds"] * share,
        "peer_gb_extrapolated": found["peer"]["peak_gb"] * share,
        **{f"summary_{name}": found["summary"][name] for name in ("rows", "seconds", "cpu_seconds", "peak_gb")},
        **worst,
        **found["lines"]["counts"],
    }
    return show("outcome_join", figures, bars)


if __name__ == "__main__":
    sys.exit(main())
