"""``python -m benchmarks.studies.articles``: plain LightGBM, the product, and its parts on a simulated article log.

It makes the log, runs the product's steps to the graph, fits the rows that the folder does not have yet, and writes
page, figures and picture. The last line is JSON with the number of broken bars.
"""

import argparse
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd

from benchmarks.studies.articles.adapter import DRAWN, NEGATIVES
from benchmarks.studies.articles.page import ORACLE, STUDY, with_sections
from benchmarks.studies.articles.prepare import prepare, spec_drawn
from benchmarks.studies.articles.rows import NETWORK, NEWCOMER, PAIR, TREES, compared, explaining
from benchmarks.studies.articles.world import SIZES, World, simulate, write_log
from benchmarks.studies.evaluation import Evaluation, Line, Truth
from benchmarks.studies.fitting import Setting, commit_of, fit_rows
from benchmarks.studies.report import write_report
from benchmarks.studies.row import AS_OF, FROZEN
from benchmarks.studies.study import ROOT, evaluate
from benchmarks.table import show
from models.time_units import SECOND

UNIFORM, POPULAR = DRAWN


def main(argv: Sequence[str] | None = None) -> int:
    """Run the study; return 1 where a bar does not hold."""
    options, started = _options(argv), perf_counter()
    folder = options.folder / f"{options.size}-{options.world}"
    spec = spec_drawn(UNIFORM, options.world)
    world = simulate(SIZES[options.size], spec.windows.days, options.world)
    start = spec.midnight(spec.windows.first_day)
    raw = write_log(world, folder / "raw", pd.Timestamp(start, unit="us", tz="UTC"))
    found, settings, absent = {}, {}, []
    for how in DRAWN:
        spec = prepare(spec_drawn(how, options.world), raw, folder / how)
        settings[how] = Setting(
            graph=folder / how / "graph",
            predictions=folder / how / "predictions",
            model=spec.model,
            training=spec.training,
            window=options.window,
            commit=commit_of(ROOT),
            longer=True,
        )
        rows = compared() + (explaining() if how == UNIFORM else [])
        fit_rows(settings[how], rows, options.seeds, options.jobs, lambda line: print(line, flush=True))
        found[how], missing = evaluate(STUDY, settings[how], settings[how].load(), rows, options.seeds, options.draws)
        absent += missing
    chances = _chances(world, folder / UNIFORM / "tables", start, found[UNIFORM].truth)
    note = {"seed": options.seeds[0], "seconds": 0.0, "commit": settings[UNIFORM].commit, "device": "CPU"}
    found[UNIFORM].lines[ORACLE] = Line(ORACLE, {seen.name: [chances] for seen in (AS_OF, FROZEN)}, [note])
    path = write_report(with_sections(spec, found[POPULAR]), found[UNIFORM], absent, settings[UNIFORM].load(), options)
    print(f"page: {path}")
    served = PAIR if settings[UNIFORM].model.trees else NETWORK
    figures: dict[str, float | int | str] = {"default": served, **_figures(found), "seconds": perf_counter() - started}
    return show("studies.articles", figures, _bars(found, served))


def _options(argv: Sequence[str] | None) -> Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.studies.articles", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--size", choices=tuple(SIZES), default="default", help="of the world (default: default)")
    parser.add_argument("--world", type=int, default=7, help="seed of the world and of the negatives (default: 7)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1], help="one fit of every row per seed (default: 1)")
    parser.add_argument("--window", default="test", help="the window that is scored: test, or gate while developing")
    parser.add_argument("--draws", type=int, default=1000, help="draws of readers behind the intervals")
    parser.add_argument("--jobs", type=int, default=2, help="fits at the same time (default: 2)")
    parser.add_argument("--folder", type=Path, default=ROOT / "state" / "articles", help="what a run keeps")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results", help="folder of page and picture")
    return parser.parse_args(argv)


def _chances(world: World, tables: Path, start: int, truth: Truth) -> np.ndarray:
    """The world's own probabilities of the scored rows: (n, 1) float64."""
    shown = pd.read_parquet(tables / "impressions.parquet").set_index("impression_id").loc[truth.keys]
    microseconds = shown["time"].dt.tz_localize(None).to_numpy().astype("datetime64[us]").view(np.int64)
    seconds = (microseconds - start) // SECOND
    return world.chance(shown["user_id"].to_numpy(), shown["article_id"].to_numpy(), seconds, NEGATIVES)[:, None]


def _figures(found: dict[str, Evaluation]) -> dict[str, float]:
    """The AUC of every line of either log."""
    return {
        f"{how}_{line.replace(' ', '_').replace(',', '')}_auc": one.metric(line, "auc", one.truth.primary).value
        for how, one in found.items()
        for line in one.lines
    }


def _bars(found: dict[str, Evaluation], served: str) -> dict[str, bool]:
    """The product as its defaults make it is not below trees on the same columns."""
    bars = {}
    for how, one in found.items():
        for other in (NEWCOMER, TREES):
            gap = one.difference(served, other, "auc", one.truth.primary)
            bars[f"{how}_default_not_below_{other.replace(' ', '_')}"] = gap.value >= 0
    return bars


if __name__ == "__main__":
    sys.exit(main())
