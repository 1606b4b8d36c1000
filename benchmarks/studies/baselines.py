"""Study (a): the ranker against all baselines. ``python -m benchmarks.studies.baselines --graph FOLDER``."""

import sys
from argparse import ArgumentParser, Namespace

from benchmarks.studies.breakdown import best, breakdown
from benchmarks.studies.evaluation import Evaluation
from benchmarks.studies.fitting import Setting
from benchmarks.studies.row import AS_OF, FITS, FROZEN, Row, trained_as
from benchmarks.studies.study import Study, command
from models.graph.store import TemporalGraph

RANKER, TREES, POPULARITY = "Heliograph", "tuned trees", "popularity"
NETWORKS = {
    "dcn": "DCNv2",
    "transformer": "sequence transformer",
    "sage": "GraphSAGE without time",
    "hgt": "HGT",
}
"""The baselines that are networks, and what their lines are called."""
PER_STATE = "a fit per state"


def options(parser: ArgumentParser) -> None:
    """How the networks are trained."""
    parser.add_argument("--networks", default="{}", help="TrainingConfig of the baselines that are networks: JSON")


def rows(graph: TemporalGraph, asked: Namespace, setting: Setting) -> list[Row]:
    """Every baseline; trees and ranker as one fit for both states, and as a fit for each."""
    training = trained_as(asked.networks)
    found = [Row(POPULARITY, baseline="popularity")]
    found += _fits(TREES, "trees")
    found += [Row(line, baseline=name, training=training) for name, line in NETWORKS.items()]
    return found + _fits(RANKER, None)


def lines(row: Row) -> dict[str, dict[str, str] | None]:
    """The two fits of a state each are one line: each is measured in its own state alone."""
    if row.state in (AS_OF.name, FROZEN.name):
        return {f"{row.name.split(',')[0]}, {PER_STATE}": {row.state: row.state}}
    return {row.name: None}


def sections(evaluation: Evaluation, graph: TemporalGraph, asked: Namespace) -> list[str]:
    """Where the ranker's rows gain or lose against the best row of trees."""
    ours = [line for line in evaluation.lines if line.startswith(RANKER)]
    trees = [line for line in evaluation.lines if line.startswith(TREES)]
    if not ours or not trees:
        return []
    parts = ["## Where the loss is", "Against the row of trees with the best AUC, paired; AUC as of the impression."]
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
        "All on the same impressions, features and windows. One fit: one model for fresh and for stale state, which is "
        "what serving needs. A fit per state: two models, one fitted and measured as of the impression, the other with "
        "the member's state frozen."
    ),
    reference=f"{TREES}, {PER_STATE}",
    rows=rows,
    options=options,
    lines=lines,
    sections=sections,
)

if __name__ == "__main__":
    sys.exit(command(STUDY))
