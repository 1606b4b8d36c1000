"""Study (c): one model per surface or one for all.

``python -m benchmarks.studies.cross_domain --graph FOLDER --alone-graphs FOLDER``.
"""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from benchmarks.studies.changes import Instead
from benchmarks.studies.definition import Study
from benchmarks.studies.errors import StudyError
from benchmarks.studies.evaluation import Evaluation
from benchmarks.studies.fitting import Setting
from benchmarks.studies.picture import Panel
from benchmarks.studies.row import Row, trained_as
from benchmarks.studies.study import command
from benchmarks.studies.tables import METRICS, interval, table
from models.bootstrap import Metric
from models.graph.store import TemporalGraph

EVERYTHING = "all surfaces"
_GAINS: tuple[Metric, ...] = ("auc", "gauc")


def add_options(parser: ArgumentParser) -> None:
    """Add the options: the graphs of single surfaces, and the training of their models."""
    parser.add_argument(
        "--alone-graphs", type=Path, help="folder with the graph of each surface alone, named like the surface"
    )
    parser.add_argument(
        "--alone", default="{}", help="TrainingConfig of the models of one surface: JSON; default: as --training"
    )


def rows(graph: TemporalGraph, options: Namespace, setting: Setting) -> list[Row]:
    """The model of all surfaces, and one per surface."""
    own = trained_as(options.alone)
    found = [Row(EVERYTHING)]
    for folder in sorted(options.alone_graphs.iterdir()) if options.alone_graphs else ():
        if folder.name not in graph.schema.seeds.surfaces:
            surfaces = ", ".join(graph.schema.seeds.surfaces)
            raise StudyError(f"--alone-graphs {folder}: expected the name of a surface ({surfaces})")
        found.append(Row(alone(folder.name), training=own, change=Instead.of(folder)))
    return found


def alone(surface: str) -> str:
    """The line of a surface's model."""
    return f"surface {surface} alone"


def sections(evaluation: Evaluation, graph: TemporalGraph, options: Namespace) -> list[str]:
    """By task: each surface's model, the model of all surfaces on the same impressions, and the gain."""
    if EVERYTHING not in evaluation.lines:
        return []
    parts = []
    for task in evaluation.truth.tasks:
        body = []
        surfaces = _surfaces(evaluation)
        for name, part in surfaces.items():
            own = evaluation.metric(alone(name), "auc", task, part)
            whole = evaluation.metric(EVERYTHING, "auc", task, part)
            gains = [evaluation.difference(EVERYTHING, alone(name), metric, task, part) for metric in _GAINS]
            cells = [interval(own), interval(whole), *(interval(gain, signed=True) for gain in gains)]
            body.append([name, f"{own.rows:,}", *cells])
        means = [
            evaluation.mean_difference(
                [(EVERYTHING, alone(name), part) for name, part in surfaces.items()], metric, task
            )
            for metric in _GAINS
        ]
        body.append(["mean of the surfaces", "", "", "", *(interval(mean, signed=True) for mean in means)])
        header = ["surface", "impressions", "alone: AUC", "all: AUC"]
        header += [f"gain in {METRICS[metric]}" for metric in _GAINS]
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
        "A surface alone: the same product, built from the surface's impressions only: its edges, counters, "
        "collaborative features and sequences know nothing of the others. Its training settings are chosen for it "
        "(`--alone`). All surfaces: one model of everything, evaluated on the same impressions."
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
