"""Study (a): the ranker against all baselines. ``python -m benchmarks.studies.baselines --graph FOLDER``."""

import sys
from argparse import ArgumentParser, Namespace

from benchmarks.studies.breakdown import best, breakdown
from benchmarks.studies.definition import Study
from benchmarks.studies.evaluation import Evaluation
from benchmarks.studies.fitting import Setting
from benchmarks.studies.row import AS_OF, FITS, FROZEN, Row, trained_as
from benchmarks.studies.study import command
from models.graph.store import TemporalGraph

RANKER, TREES, POPULARITY = "Heliograph", "tuned trees", "popularity"
NETWORKS = {
    "dcn": "DCNv2",
    "transformer": "sequence transformer",
    "sage": "GraphSAGE without time",
    "hgt": "HGT",
}
"""The neural baselines and the names of their lines."""
PER_STATE = "a fit per state"


def add_options(parser: ArgumentParser) -> None:
    """Add the options of the networks' training."""
    parser.add_argument("--networks", default="{}", help="TrainingConfig of the baselines that are networks: JSON")


def rows(graph: TemporalGraph, options: Namespace, setting: Setting) -> list[Row]:
    """Every baseline; trees and ranker as one fit for both member states, and as one fit per state."""
    training = trained_as(options.networks)
    found = [Row(POPULARITY, baseline="popularity")]
    found += _fits(TREES, "trees")
    found += [Row(line, baseline=name, training=training) for name, line in NETWORKS.items()]
    return found + _fits(RANKER, None)


def lines(row: Row) -> dict[str, dict[str, str] | None]:
    """The two fits with one state each form one line: each is evaluated in its own state only."""
    if row.state in (AS_OF.name, FROZEN.name):
        return {f"{row.name.split(',')[0]}, {PER_STATE}": {row.state: row.state}}
    return {row.name: None}


def sections(evaluation: Evaluation, graph: TemporalGraph, options: Namespace) -> list[str]:
    """Where the ranker's rows gain or lose compared with the best row of trees."""
    ours = [line for line in evaluation.lines if line.startswith(RANKER)]
    trees = [line for line in evaluation.lines if line.startswith(TREES)]
    if not ours or not trees:
        return []
    parts = [
        "## Where it gains and loses",
        "Paired difference to the trees with the best AUC; AUC as of the impression.",
    ]
    for task in evaluation.truth.tasks:
        parts += [f"### {task}", breakdown(evaluation, ours, best(evaluation, trees, task), task)]
    return parts


def _fits(name: str, baseline: str | None) -> list[Row]:
    return [
        Row(f"{name}, {FITS['mixed']}", state="mixed", baseline=baseline),
        Row(f"{name}, {FITS['as_of']}", state="as_of", baseline=baseline, seen=(AS_OF,)),
        Row(f"{name}, {FITS['frozen']}", state="frozen", baseline=baseline, seen=(FROZEN,)),
    ]


STUDY = Study(
    name="baselines",
    title="Heliograph against its baselines",
    about=(
        "All models use the same impressions, features and windows. One fit: one model for fresh and stale state, as "
        "serving needs it. A fit per state: two models, one fitted and evaluated as of the impression, the other with "
        "the member's state frozen."
    ),
    reference=f"{TREES}, {PER_STATE}",
    rows=rows,
    add_options=add_options,
    lines=lines,
    sections=sections,
)

if __name__ == "__main__":
    sys.exit(command(STUDY))
