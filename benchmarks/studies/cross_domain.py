"""Study (c): one model per surface or one for all.

``python -m benchmarks.studies.cross_domain --graph FOLDER``.
"""

import re
import sys
from argparse import ArgumentParser, Namespace

from benchmarks.studies import counted
from benchmarks.studies.changes import WithoutFeatures
from benchmarks.studies.definition import Study
from benchmarks.studies.evaluation import Evaluation
from benchmarks.studies.fitting import Setting
from benchmarks.studies.one_surface import OneSurface
from benchmarks.studies.parts import NOTHING
from benchmarks.studies.picture import Panel
from benchmarks.studies.row import Row, trained_as
from benchmarks.studies.study import command
from benchmarks.studies.tables import METRICS, interval, table
from models.bootstrap import Metric
from models.graph.store import TemporalGraph

EVERYTHING = "all surfaces"
SAME = "all surfaces, same features"
"""Without the features that a model of one surface does not have."""
_GAINS: tuple[Metric, ...] = ("auc", "gauc")
_FEWEST = {"train": 1000, "scored": 500}
"""Minimum impressions of a surface that is listed by default."""


def add_options(parser: ArgumentParser) -> None:
    """Add the options: which surfaces, and which features a model of one surface does not see."""
    kept = OneSurface("")
    parser.add_argument("--surfaces", nargs="+", help="names; default: all but the largest and the tiny ones")
    parser.add_argument("--attribute", default=kept.attribute, help="the edges' attribute that holds the surface")
    parser.add_argument(
        "--elsewhere",
        default=kept.elsewhere,
        help="pattern of impression features that reveal other surfaces, where they cannot be counted on one alone",
    )
    parser.add_argument("--elsewhere-nodes", default=NOTHING, help="the same, for node features")
    parser.add_argument(
        "--alone", default="{}", help="TrainingConfig of the models of one surface: JSON; default: as --training"
    )
    counted.add_options(parser)


def rows(graph: TemporalGraph, options: Namespace, setting: Setting) -> list[Row]:
    """The model of all surfaces, the same without the features that a single surface lacks, and one per surface."""
    hidden = options.attribute, options.elsewhere, options.elsewhere_nodes, counted.counted_of(options)
    names = options.surfaces or small_surfaces(graph, options.window)
    changes = [OneSurface(name, *hidden) for name in names]
    found = [Row(EVERYTHING)]
    if lacking := changes[0].hidden(graph) if changes else set():
        pattern = "|".join(map(re.escape, sorted(lacking)))
        found.append(Row(SAME, change=WithoutFeatures(f"^({pattern})$")))
    own = trained_as(options.alone)
    return found + [Row(alone(change.surface), training=own, change=change) for change in changes]


def small_surfaces(graph: TemporalGraph, window: str) -> list[str]:
    """All surfaces except the one with most train impressions and those with too few."""
    names = graph.schema.seeds.surfaces
    train, scored = (
        graph.seeds.surface[graph.seeds.rows(of)].bincount(minlength=len(names)).tolist() for of in ("train", window)
    )
    return [
        name
        for place, name in enumerate(names)
        if train[place] < max(train) and train[place] >= _FEWEST["train"] and scored[place] >= _FEWEST["scored"]
    ]


def alone(surface: str) -> str:
    """The line of a surface's model."""
    return f"surface {surface} alone"


def sections(evaluation: Evaluation, graph: TemporalGraph, options: Namespace) -> list[str]:
    """By task: each surface's model, the model of all surfaces on the same impressions, and the gain."""
    if EVERYTHING not in evaluation.lines:
        return []
    parts = []
    everything = [line for line in (EVERYTHING, SAME) if line in evaluation.lines]
    gained = [(line, metric) for line in everything for metric in _GAINS]
    for task in evaluation.truth.tasks:
        body = []
        surfaces = _surfaces(evaluation)
        for name, part in surfaces.items():
            own = evaluation.metric(alone(name), "auc", task, part)
            whole = evaluation.metric(EVERYTHING, "auc", task, part)
            gains = [evaluation.difference(line, alone(name), metric, task, part) for line, metric in gained]
            cells = [interval(own), interval(whole), *(interval(gain, signed=True) for gain in gains)]
            body.append([name, f"{own.rows:,}", *cells])
        means = [
            evaluation.mean_difference([(line, alone(name), part) for name, part in surfaces.items()], metric, task)
            for line, metric in gained
        ]
        body.append(["mean of the surfaces", "", "", "", *(interval(mean, signed=True) for mean in means)])
        header = ["surface", "impressions", "alone: AUC", "all: AUC"]
        header += [f"{'same features: ' if line == SAME else ''}gain in {METRICS[metric]}" for line, metric in gained]
        parts += [f"## {task}", table(header, body)]
    return parts


def panels(evaluation: Evaluation, options: Namespace) -> list[Panel]:
    """The gain of every surface on the primary task."""
    surfaces, task = _surfaces(evaluation), evaluation.truth.primary
    if EVERYTHING not in evaluation.lines or not surfaces:
        return []
    return [
        Panel(
            f"{task}: {METRICS[metric]}, all surfaces minus one alone",
            [f"surface {name}" for name in surfaces],
            [evaluation.difference(EVERYTHING, alone(name), metric, task, part) for name, part in surfaces.items()],
        )
        for metric in ("auc", "gauc")
    ]


def _surfaces(evaluation: Evaluation) -> dict:
    """The impressions of every surface with its own model, by name."""
    return {name: part for name, part in evaluation.truth.parts["surface"].items() if alone(name) in evaluation.lines}


STUDY = Study(
    name="cross_domain",
    title="One surface alone against all together",
    about=(
        "A surface alone: a model that trains on the surface's impressions only, with only its behavior in the graph "
        "and in the members' sequences. Counters and context are recomputed from its impressions alone, from the train "
        "window on (earlier ones are not in the graph); features that cannot be recomputed from the graph are missing. "
        "Both models know the node features of members and items, except those matching `--elsewhere-nodes`. Its "
        "training settings are chosen for it (`--alone`). All surfaces: one model of everything, evaluated on the same "
        "impressions; same features: without the features that are missing for a surface alone."
    ),
    reference=EVERYTHING,
    rows=rows,
    add_options=add_options,
    sections=sections,
    panels=panels,
    tables=False,
)

if __name__ == "__main__":
    sys.exit(command(STUDY))
