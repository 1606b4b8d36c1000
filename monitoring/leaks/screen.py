"""The screen: which columns predict a task so well that they probably know its outcome.

For every task with ``ENOUGH`` labels of each class in train and in validate, a column is named if

- ``alone``: the rate of positives by its value, learned on train, has an AUC of at least ``ALONE`` on validate;
- ``jump``: so has its change since the previous row of the same member or item (numbers): it counts this row's
  outcome already, before that has settled;
- ``better``: the rate has an AUC of at least ``STRONG`` on validate, which closes at least ``CLOSED`` of what a model
  of all other columns leaves to 1 there;
- ``train``: so has its rate on train, by other members, although the model is scored on the later days of validate: it
  was filled in afterwards.

The first two also need a lower bound of at least ``STRONG``, the others a lower bound above the threshold: one-sided
95 %, by a bootstrap over members, so that chance in few rows names nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models import metrics
from models.bootstrap import UserBootstrap
from models.spec import Spec
from monitoring.documents import plain
from monitoring.leaks.alone import bins_of, crossed, rates
from monitoring.leaks.rows import Rows, changes, enough, read_rows, users
from monitoring.leaks.without import scores_of

ALONE, STRONG, CLOSED, ENOUGH = 0.95, 0.90, 0.6, 20
_MOST_SUSPECTS = 8
"""For how many columns of a task a model without the column is fitted."""
_DRAWS, _SEED, _CONFIDENCE = 200, 20_000, 0.95


@dataclass(frozen=True)
class _Task:
    """One task of the screen: labels (rows,), and the rows to learn from and to measure on, (rows,) bool."""

    name: str
    labels: np.ndarray
    learn: np.ndarray
    held: np.ndarray


def screen(spec: Spec, training_set: Path) -> dict[str, Any]:
    """Screen a training set, as strict JSON: ``found`` [{column, task, rule, auc, without, sentence}], ``released``
    (columns of ``known_at_request``), ``columns``, ``rows`` {train, validate}, ``notes`` (what was not screened).
    """
    rows = read_rows(spec, training_set)
    released = [name for name in spec.impressions.known_at_request if name in rows.values]
    found: dict[str, dict[str, Any]] = {}
    notes = [f"{rows.left_out} columns were not screened: the limit is {len(rows.values)}."] if rows.left_out else []
    for name, labels in rows.labels.items():
        known = ~np.isnan(labels)
        task = _Task(name, labels, rows.train & known, ~rows.train & known)
        if all(enough(labels[part], ENOUGH) for part in (task.learn, task.held)):
            for finding in _of_task(rows, task, [column for column in rows.values if column not in released]):
                found.setdefault(finding["column"], finding)
        else:
            notes.append(f"{name} was not screened: train and validate need {ENOUGH} labels of each class.")
    counts = {"train": int(rows.train.sum()), "validate": int((~rows.train).sum())}
    told = {"found": list(found.values()), "released": released, "columns": len(rows.values)}
    return plain({**told, "rows": counts, "notes": notes})


def _of_task(rows: Rows, task: _Task, columns: list[str]) -> list[dict[str, Any]]:
    found, on_validate, on_train = [], {}, {}
    for column in columns:
        values, category = rows.values[column], column in rows.categories
        on_validate[column], scores = _on_validate(rows, task, values, category)
        on_train[column] = _on_train(rows, task, values, category)
        if on_validate[column] >= ALONE and _low(rows, task.held, task, _auc_of(scores)) >= STRONG:
            found.append(_finding(column, task, "alone", on_validate[column]))
        elif not category:
            found += _jumps(rows, task, column)
    named = [finding["column"] for finding in found]
    rest = {column: on_validate[column] for column in columns if column not in named}
    return found + _added(rows, task, rest, {column: on_train[column] for column in rest}, named)


def _jumps(rows: Rows, task: _Task, column: str) -> list[dict[str, Any]]:
    for role in ("member", "item"):
        area, scores = _on_validate(rows, task, changes(rows, column, role), False)
        if area >= ALONE and _low(rows, task.held, task, _auc_of(scores)) >= STRONG:
            return [_finding(column, task, "jump", area, role=role)]
    return []


def _added(
    rows: Rows, task: _Task, on_validate: dict[str, float], on_train: dict[str, float], named: list[str]
) -> list[dict[str, Any]]:
    """Findings by a model without the column; ``named`` columns are in none."""
    best = {column: max(on_validate[column], on_train[column]) for column in on_validate}
    suspects = sorted((column for column in best if best[column] >= STRONG), key=lambda column: -best[column])
    found = []
    for column in suspects[:_MOST_SUSPECTS]:
        others = [name for name in rows.values if name != column and name not in named]
        scores, values = scores_of(rows, others, task.labels), rows.values[column]
        without, category = metrics.auc(task.labels[task.held], scores), column in rows.categories
        own = _on_validate(rows, task, values, category)[1]
        if on_validate[column] >= STRONG and _low(rows, task.held, task, _closed(own, scores)) > 0:
            found.append(_finding(column, task, "better", on_validate[column], without))
        elif on_train[column] >= STRONG:
            own = _crossed(rows, task, values, category)
            if _low(rows, task.learn, task, _closed_on_train(own, without)) > 0:
                found.append(_finding(column, task, "train", on_train[column], without))
    return found


Draws = Callable[[UserBootstrap, np.ndarray], np.ndarray]


def _low(rows: Rows, part: np.ndarray, task: _Task, statistic: Draws) -> float:
    """The one-sided lower bound of a statistic of the rows of ``part`` (rows,) bool."""
    draws = statistic(UserBootstrap(users(rows, part), _DRAWS, _SEED), task.labels[part])
    return float(np.nanquantile(draws, 1 - _CONFIDENCE))


def _auc_of(scores: np.ndarray) -> Draws:
    return lambda bootstrap, labels: bootstrap.draws("auc", labels, scores)


def _closed(scores: np.ndarray, without: np.ndarray) -> Draws:
    """How much more than ``CLOSED`` of the distance to 1 that the scores ``without`` leave is closed."""
    return lambda bootstrap, labels: (
        bootstrap.draws("auc", labels, scores) - (1 - CLOSED) * bootstrap.draws("auc", labels, without) - CLOSED
    )


def _closed_on_train(scores: np.ndarray, without: float) -> Draws:
    return lambda bootstrap, labels: bootstrap.draws("auc", labels, scores) - (1 - CLOSED) * without - CLOSED


def _on_validate(rows: Rows, task: _Task, values: np.ndarray, category: bool) -> tuple[float, np.ndarray]:
    """AUC and scores on the validate rows."""
    bins, count = bins_of(values, category, task.learn)
    scores = rates(bins, count, task.labels, task.learn)[task.held]
    return metrics.auc(task.labels[task.held], scores), scores


def _crossed(rows: Rows, task: _Task, values: np.ndarray, category: bool) -> np.ndarray:
    bins, count = bins_of(values, category, task.learn)
    return crossed(bins, count, task.labels, task.learn, rows.keys["member"])[task.learn]


def _on_train(rows: Rows, task: _Task, values: np.ndarray, category: bool) -> float:
    return metrics.auc(task.labels[task.learn], _crossed(rows, task, values, category))


def _finding(
    column: str, task: _Task, rule: str, area: float, without: float | None = None, role: str = "member"
) -> dict[str, Any]:
    said = {
        "alone": f"alone predicts {task.name} with an AUC of {area:.3f} on the validate window",
        "jump": f"changes with the outcome before that has settled: its change since the {role}'s previous row "
        f"predicts {task.name} with an AUC of {area:.3f}",
        "train": f"alone predicts {task.name} with an AUC of {area:.3f} on train, where a model without it has "
        f"{without or 0:.3f} on later days",
        "better": f"alone predicts {task.name} with an AUC of {area:.3f} on the validate window, where a model of all "
        f"other columns has {without or 0:.3f}",
    }[rule]
    sentence = (
        f"The column {column} {said}, so it probably holds the outcome: leave it out of the spec, or, if its value is "
        f"known when a request is made, add it to `impressions.known_at_request`."
    )
    return {"column": column, "task": task.name, "rule": rule, "auc": area, "without": without, "sentence": sentence}
