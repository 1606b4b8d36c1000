"""Study (a): the ranker against all baselines. ``python -m benchmarks.studies.baselines --graph FOLDER``."""

import sys
from argparse import ArgumentParser, Namespace

from benchmarks.studies.breakdown import best, breakdown
from benchmarks.studies.definition import Study
from benchmarks.studies.evaluation import Evaluation
from benchmarks.studies.fitting import Setting
from benchmarks.studies.plain_trees import PLAIN
from benchmarks.studies.row import AS_OF, FITS, FROZEN, PARTS, Part, Row, trained_as
from benchmarks.studies.study import command
from benchmarks.studies.tables import METRICS, interval, table
from models.graph.store import TemporalGraph

POPULARITY, NEWCOMER = "popularity", "plain LightGBM"
RANKER, NETWORK, TREES = "Heliograph", "network", "tuned trees"
NAMES: dict[Part, str] = {"product": RANKER, "network": NETWORK, "trees": TREES}
"""The parts of one row of the ranker, each of which has a line."""
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
    """Every baseline; the ranker with its trees as one fit for both member states, and as one fit per state."""
    training = trained_as(options.networks)
    found = [Row(POPULARITY, baseline="popularity"), Row(NEWCOMER, baseline=PLAIN)]
    found += [Row(line, baseline=name, training=training) for name, line in NETWORKS.items()]
    pair = {"trees": True}
    found.append(Row(f"{RANKER}, {FITS['mixed']}", model=pair, state="mixed", seen=PARTS))
    for state in (AS_OF.state, FROZEN.state):
        seen = tuple(one for one in PARTS if one.state == state)
        found.append(Row(f"{RANKER}, {FITS[state]}", model=pair, state=state, seen=seen))
    return found


def lines(row: Row) -> dict[str, dict[str, str] | None]:
    """A line for the ranker, its network and its trees; the fits with one state each form one line of each.

    Each of those fits is evaluated in its own state only.
    """
    if row.baseline:
        return {row.name: None}
    fit = FITS["mixed"] if row.seen == PARTS else PER_STATE
    return {
        f"{name}, {fit}": {seen.state: seen.name for seen in row.seen if seen.part == part}
        for part, name in NAMES.items()
    }


def sections(evaluation: Evaluation, graph: TemporalGraph, options: Namespace) -> list[str]:
    """What each part of the ranker is worth, and where its rows gain or lose compared with the best row of trees."""
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
    return [*_worth(evaluation, ours), *parts]


def _worth(evaluation: Evaluation, ours: list[str]) -> list[str]:
    """By task: the ranker minus its trees alone, and minus its network alone."""
    parts = ["## What each part is worth", "Paired difference of the ranker to one of its parts alone."]
    for task in evaluation.truth.tasks:
        body = []
        for line in ours:
            for name in (TREES, NETWORK):
                other = line.replace(RANKER, name)
                gaps = [evaluation.difference(line, other, metric, task) for metric in METRICS]
                body.append([f"{line}, minus {name}", *(interval(gap, signed=True) for gap in gaps)])
        parts += [f"### {task}", table(["", *METRICS.values()], body)]
    return parts


STUDY = Study(
    name="baselines",
    title="Heliograph against its baselines",
    about=(
        "All models use the same impressions, features and windows. Heliograph: network and trees as one model; each "
        "of them alone has a line of its own. Plain LightGBM: its default parameters on the same columns. One fit: one "
        "model for fresh and stale state, as serving needs it. A fit per state: two models, one fitted and evaluated "
        "as of the impression, the other with the member's state frozen."
    ),
    reference=f"{TREES}, {PER_STATE}",
    rows=rows,
    add_options=add_options,
    lines=lines,
    sections=sections,
)

if __name__ == "__main__":
    sys.exit(command(STUDY))
