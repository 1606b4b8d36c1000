"""The tables of a study, as Markdown."""

import math
from collections.abc import Sequence

import numpy as np

from benchmarks.studies.evaluation import Estimate, Evaluation
from models.bootstrap import NDCG_AT, Metric

METRICS: dict[Metric, str] = {
    "auc": "AUC",
    "gauc": "GAUC",
    "ndcg": f"NDCG@{NDCG_AT}",
    "log_loss": "log loss",
    "normalised_entropy": "normalized entropy",
    "ece": "ECE",
}
"""Names of the metrics, in the tables' order."""
NOTHING = "–"


def table(header: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first column is text, the others are numbers."""
    lines = [list(header), ["---", *["---:"] * (len(header) - 1)], *map(list, body)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def number(value: float, signed: bool = False) -> str:
    """Format with four digits; a dash for a missing value."""
    if math.isnan(value):
        return NOTHING
    return f"{value:+.4f}" if signed else f"{value:.4f}"


def interval(found: Estimate, signed: bool = False) -> str:
    """``value [low, high]``."""
    if math.isnan(found.value):
        return NOTHING
    value = number(found.value, signed)
    return value if math.isnan(found.low) else f"{value} [{number(found.low, signed)}, {number(found.high, signed)}]"


def values(evaluation: Evaluation, lines: Sequence[str], task: str) -> str:
    """Every metric of every line: mean ± standard deviation over seeds, seconds per fit, and the seeds."""
    body = []
    for line in lines:
        cells = [line]
        for metric in METRICS:
            found = evaluation.metric(line, metric, task)
            spread = "" if math.isnan(found.spread) else f" ± {found.spread:.4f}"
            cells.append(number(found.value) + spread)
        notes = evaluation.lines[line].notes
        cells.append(f"{np.mean([note['seconds'] for note in notes]):.0f}" if notes else NOTHING)
        cells.append(", ".join(map(str, sorted({note["seed"] for note in notes}))) or NOTHING)
        body.append(cells)
    return table(["", *METRICS.values(), "seconds", "seeds"], body)


def intervals(evaluation: Evaluation, lines: Sequence[str], task: str) -> str:
    """The interval of every metric of every line."""
    body = [[line, *(_bounds(evaluation.metric(line, metric, task)) for metric in METRICS)] for line in lines]
    return table(["", *METRICS.values()], body)


def differences(evaluation: Evaluation, lines: Sequence[str], reference: str, task: str) -> str:
    """Every line's paired difference to the reference, by metric."""
    body = [
        [line, *(interval(evaluation.difference(line, reference, metric, task), signed=True) for metric in METRICS)]
        for line in lines
        if line != reference
    ]
    return table(["", *METRICS.values()], body)


def by_part(evaluation: Evaluation, lines: Sequence[str], reference: str, metric: Metric, task: str, cut: str) -> str:
    """One metric of every line in each part, with the paired difference to the reference in that part."""
    parts = evaluation.truth.parts[cut]
    place = evaluation.truth.tasks.index(task)
    defined = ~np.isnan(evaluation.truth.labels[:, place])
    header = [cut, *(f"{name} ({int((part & defined).sum()):,})" for name, part in parts.items())]
    body = []
    for line in lines:
        cells = [line]
        for part in parts.values():
            found = evaluation.metric(line, metric, task, part)
            if line == reference or reference not in evaluation.lines:
                cells.append(interval(found))
            else:
                gap = evaluation.difference(line, reference, metric, task, part)
                against = "" if math.isnan(gap.value) else f" ({interval(gap, signed=True)})"
                cells.append(number(found.value) + against)
        body.append(cells)
    return table(header, body)


def _bounds(found: Estimate) -> str:
    return NOTHING if math.isnan(found.low) else f"{number(found.low)} to {number(found.high)}"
