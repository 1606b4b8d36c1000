"""How well the served order agrees with what happened."""

import numpy as np

from monitoring.days import ALL, DaySummary, Figure
from monitoring.monitors.context import Context, alarm, change, t_limit
from monitoring.verdict import Alarm, State

_AUC, _ENTROPY = 0.03, 0.05
"""Least sudden change of the realized AUC and normalized entropy."""
_DECLINE, _WEEK = 0.01, 7
"""Least slow change of the AUC, between the first and the last days of a version."""


def ranking(context: Context) -> list[Alarm]:
    """The realized AUC has collapsed, or declined since the version's first week; normalized entropy has risen.

    Sudden: AUC and normalized entropy of each task, overall and by surface, version and cohort, with limits learned
    from quiet days (Student's t, at least the day's own error between members); 0.03 and 0.05 at least. Slow: mean
    AUC of the last seven days of the version that serves against its first seven, a t-test at the same level, and at
    least 0.01.
    """
    found = []
    for cell in context.newest.figures:
        if cell.auc is not None and cell.settled >= context.settings.fewest_rows:
            found += _sudden(context, cell)
    return found or [one for task in context.newest.labels for one in _slow(context, task)]


def _sudden(context: Context, cell: Figure) -> list[Alarm]:
    def same(day: DaySummary) -> Figure | None:
        return day.figure(cell.task, cell.surface, cell.version, cell.cohort)

    where = " ".join(part for part in (cell.task, cell.surface, cell.version, cell.cohort) if part != ALL)

    def area(day: DaySummary) -> float | None:
        found = same(day)
        return found.auc if found else None

    def entropy(day: DaySummary) -> float | None:
        found = same(day)
        return found.normalised_entropy if found else None

    found = []
    fell = change(context, area, _AUC, cell.auc_error or 0.0)
    if fell and fell.down:
        text = f"{where}: realized AUC {fell.value:.3f}, expected {fell.expected:.3f}"
        figures = {"auc": fell.value, "expected": fell.expected}
        found.append(alarm(context, "ranking.auc", where, text, State.ROLL_BACK, **figures))
    rose = change(context, entropy, _ENTROPY, cell.entropy_error or 0.0)
    if rose and rose.up:
        text = f"{where}: normalized entropy {rose.value:.3f}, expected {rose.expected:.3f}"
        figures = {"normalised_entropy": rose.value, "expected": rose.expected}
        found.append(alarm(context, "ranking.entropy", where, text, State.RETRAIN, **figures))
    return found


def _slow(context: Context, task: str) -> list[Alarm]:
    champion = context.champion()
    cells = [day.figure(task, version=champion) for day in (*context.earlier, context.newest)]
    areas = np.array([cell.auc for cell in cells if cell is not None and cell.auc is not None])
    if len(areas) < 3 * _WEEK:
        return []
    first, last = areas[:_WEEK], areas[-_WEEK:]
    spread = float(np.sqrt((first.var(ddof=1) + last.var(ddof=1)) / _WEEK))
    fall, limit = float(first.mean() - last.mean()), t_limit(context.chance, 2 * (_WEEK - 1)) * spread
    if fall <= max(limit, _DECLINE):
        return []
    text = f"{task}: AUC of version {champion} {last.mean():.3f} in the last week, {first.mean():.3f} in its first"
    figures = {"auc": float(last.mean()), "expected": float(first.mean())}
    return [alarm(context, "ranking.decline", task, text, State.RETRAIN, **figures)]
