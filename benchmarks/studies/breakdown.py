"""Breakdown of the difference between two models: between or within members, by surface, by cold bucket."""

from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks.studies.evaluation import Estimate, Evaluation
from benchmarks.studies.tables import interval, number, table
from models.bootstrap import Metric


def best(evaluation: Evaluation, names: Sequence[str], task: str) -> str:
    """The line with the highest AUC; the first of ties."""
    return max(names, key=lambda name: np.nan_to_num(evaluation.metric(name, "auc", task).value))


def breakdown(evaluation: Evaluation, ours: Sequence[str], other: str, task: str) -> str:
    """One row per breakdown: the value of ``other``, then the paired difference of each of ``ours`` to it."""
    header = ["", "impressions", other, *(f"{name} minus it" for name in ours)]
    body = []
    for name, at, metric, part in _rows(evaluation, [*ours, other]):
        value = at.metric(other, metric, task, part)
        gaps: list[Estimate] = [at.difference(one, other, metric, task, part) for one in ours]
        body.append([name, f"{value.rows:,}", number(value.value), *(interval(gap, signed=True) for gap in gaps)])
    return table(header, body)


def _rows(evaluation: Evaluation, names: Sequence[str]) -> Iterator[tuple[str, Evaluation, Metric, np.ndarray | None]]:
    """A row's name, and the lines, metric and impressions that it is computed from."""
    yield "all: AUC", evaluation, "auc", None
    yield "between members: AUC of members' mean scores", evaluation.between_members(names), "auc", None
    yield "within members: GAUC", evaluation, "gauc", None
    for cut, parts in evaluation.truth.parts.items():
        for name, part in parts.items():
            yield f"{cut} {name}: AUC", evaluation, "auc", part
