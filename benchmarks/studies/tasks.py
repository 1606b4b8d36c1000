"""Study (f): one model for all tasks or one per task. ``python -m benchmarks.studies.tasks --graph FOLDER``."""

import sys
from argparse import Namespace

from benchmarks.studies.changes import OneTask
from benchmarks.studies.definition import Study
from benchmarks.studies.evaluation import Evaluation
from benchmarks.studies.fitting import Setting
from benchmarks.studies.picture import Panel
from benchmarks.studies.row import Row
from benchmarks.studies.study import command
from benchmarks.studies.tables import METRICS, interval, table
from models.graph.store import TemporalGraph

ALL = "all tasks"
_EXPERTS = 4


def rows(graph: TemporalGraph, options: Namespace, setting: Setting) -> list[Row]:
    """All tasks as configured, with the other kind of bottom and of weights, and each task by itself."""
    model = setting.model
    other = ("all tasks, shared bottom", 0) if model.experts else ("all tasks, MMoE", _EXPERTS)
    weights = "fixed" if model.task_weighting == "uncertainty" else "uncertainty"
    found = [
        Row(ALL),
        Row(other[0], model={"experts": other[1]}),
        Row(f"all tasks, {weights} weights", model={"task_weighting": weights}),
    ]
    return found + [Row(alone(task.name), change=OneTask(task.name)) for task in graph.schema.seeds.tasks]


def alone(task: str) -> str:
    """The line of a task's own model."""
    return f"{task} alone"


def sections(evaluation: Evaluation, graph: TemporalGraph, options: Namespace) -> list[str]:
    """The multi-task model minus each single-task model."""
    if ALL not in evaluation.lines:
        return []
    body = [
        [
            task,
            *(interval(evaluation.difference(ALL, alone(task), metric, task), signed=True) for metric in METRICS),
        ]
        for task in evaluation.truth.tasks
        if alone(task) in evaluation.lines
    ]
    return ["## One model for all tasks minus one for each", table(["", *METRICS.values()], body)] if body else []


def panels(evaluation: Evaluation, options: Namespace) -> list[Panel]:
    """The differences in AUC and GAUC."""
    tasks = [task for task in evaluation.truth.tasks if alone(task) in evaluation.lines]
    if ALL not in evaluation.lines or not tasks:
        return []
    return [
        Panel(
            f"{METRICS[metric]}: all tasks minus one alone",
            tasks,
            [evaluation.difference(ALL, alone(task), metric, task) for task in tasks],
        )
        for metric in ("auc", "gauc")
    ]


STUDY = Study(
    name="tasks",
    title="One model for all tasks against one for each",
    about=(
        "A task alone is trained on its own labels with its own number of epochs; all tasks together share encoder and "
        "sequence. MMoE: the tasks mix experts, each with its own gate, instead of one shared bottom."
    ),
    reference=ALL,
    rows=rows,
    sections=sections,
    panels=panels,
)

if __name__ == "__main__":
    sys.exit(command(STUDY))
