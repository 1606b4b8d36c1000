"""The screen: which columns predict a task so well that they probably know its outcome.

For every task with ``ENOUGH`` labels of each class in train and in validate, on all surfaces and on each that has as
many, a column is named if

- ``alone``: the rate of positives by its value, learned on train, has an AUC of at least ``ALONE`` on validate;
- ``jump``: so has its change since the previous row of the same member or item (numbers): it counts this row's
  outcome already, before that has settled;
- ``better``: the rate has an AUC of at least ``STRONG`` on validate, which closes at least ``CLOSED`` of what a model
  of the other columns leaves to 1 there;
- ``train``: so has its rate on train, by other members, although the model is scored on the later days of validate: it
  was filled in afterwards;
- ``pure``: some of its values have positives only (``monitoring.leaks.pure``), which the model does not expect.

The first two also need a lower bound of at least ``STRONG``, the next two a lower bound above the threshold: one-sided
95 %, by a bootstrap over members, so that chance in few rows names nothing. The model has neither what is suspected
itself nor copies of that, so that two leaks do not hide each other.

With sampled negatives, popularity alone tells positives from draws. Then an AUC is that within strata of equal
popularity, the model knows popularity, and columns that we derive from what was strictly before are not suspected.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from models.spec import Spec
from monitoring.documents import plain
from monitoring.leaks.alone import Ordered, bins_of
from monitoring.leaks.copies import copies_of
from monitoring.leaks.finding import finding_of
from monitoring.leaks.parts import ENOUGH, Part
from monitoring.leaks.popularity import strata_of
from monitoring.leaks.pure import MOST_EXPECTED, Pure, pure_of
from monitoring.leaks.rows import Rows, changes, read_rows
from monitoring.leaks.tables import Table
from monitoring.leaks.without import scores_of

ALONE, STRONG, CLOSED = 0.95, 0.90, 0.6
_CHANGES = ("member", "item")
"""A number's change is that since the previous row of the same member, or of the same item."""


@dataclass(frozen=True)
class _Suspect:
    """A column that is compared with a model of the others: its AUC, and scores (n,) of each row, on either window."""

    column: str
    part: Part
    on_validate: float
    on_train: float
    held: np.ndarray
    learn: np.ndarray
    pure: Pure | None


def screen(spec: Spec, training_set: Path) -> dict[str, Any]:
    """Screen a training set, as strict JSON: ``found`` [{column, task, surface, rule, auc, without, sentence}],
    ``released`` (columns of ``known_at_request``), ``columns``, ``rows`` {train, validate}, ``notes`` (what was not
    screened).
    """
    rows = read_rows(spec, training_set)
    released = [name for name in spec.impressions.known_at_request if name in rows.values]
    columns = [name for name in rows.values if name not in released and name not in rows.trusted]
    found: dict[str, dict[str, Any]] = {}
    notes = _notes(rows)
    for name, labels in rows.labels.items():
        parts = _parts(rows, name, labels)
        if not parts:
            notes.append(
                f"{name} was not screened for columns that know the outcome: train and validate need {ENOUGH} labels "
                f"of each class{', also among items of one popularity' if rows.popularity else ''}."
            )
            continue
        for finding in _of_task(rows, parts, columns):
            found.setdefault(finding["column"], finding)
    counts = {"train": int(rows.train.sum()), "validate": int((~rows.train).sum())}
    told = {"found": list(found.values()), "released": released, "columns": len(rows.values)}
    return plain({**told, "rows": counts, "notes": notes})


def _notes(rows: Rows) -> list[str]:
    notes, trusted = [], sum(name in rows.trusted for name in rows.values)
    if rows.left_out:
        notes.append(
            f"{rows.left_out} columns were not screened for knowing the outcome: the limit is {len(rows.values)}."
        )
    if trusted:
        notes.append(
            f"{trusted} columns of counters, collaborative blocks and time features were not screened for knowing the "
            f"outcome: among sampled negatives, what was strictly before already tells positives from draws."
        )
    return notes


def _parts(rows: Rows, task: str, labels: np.ndarray) -> list[Part]:
    """All rows of the task, then those of each surface; none if they have too few labels."""
    known = ~np.isnan(labels)
    whole = Part(task, None, labels, rows.train & known, ~rows.train & known, rows.keys["member"])
    if whole.measurable() and rows.popularity:
        whole = replace(whole, strata=strata_of(scores_of(rows, [], labels), labels))
    if not whole.measurable():
        return []
    shown = {name: own for name, own in rows.surfaces.items() if own[known].any()}
    own = [replace(whole, surface=name, learn=whole.learn & on, held=whole.held & on) for name, on in shown.items()]
    return [whole, *(part for part in own if len(own) > 1 and part.measurable())]


def _of_task(rows: Rows, parts: list[Part], columns: list[str]) -> list[dict[str, Any]]:
    """The findings of one task: by rule, then by part, then in the order of the columns."""
    named: dict[str, tuple[int, dict[str, Any]]] = {}
    suspects: list[tuple[int, _Suspect]] = []
    for column in columns:
        views = _views(rows, column)
        for place, part in enumerate(parts):
            tables = [Table.of(part, *view(part)) for view in views]
            if finding := _alone(part, column, tables):
                named[column] = place, finding
                break
            table = tables[0]
            area, on_train, pure = table.held_area(), table.learn_area(), pure_of(table)
            if pure or max(area, on_train) >= STRONG:
                scores = table.held_scores(), table.learn_scores()
                suspects.append((place, _Suspect(column, part, area, on_train, *scores, pure)))
    by_part = sorted(named.values(), key=itemgetter(0))
    rest = [suspect for _, suspect in sorted(suspects, key=itemgetter(0)) if suspect.column not in named]
    return [*(finding for _, finding in by_part), *_added(rows, parts[0], rest, set(named))]


def _views(rows: Rows, column: str) -> list[Callable[[Part], tuple[np.ndarray, int]]]:
    """The bins of a column in a part of the rows, and those of its changes (``_CHANGES``), where it is a number."""
    values = rows.values[column]
    if column in rows.categories:
        return [lambda part: bins_of(values, True, part.learn, part.held)]
    ordered = [Ordered.of(each) for each in (values, *(changes(rows, column, role) for role in _CHANGES))]
    return [lambda part, one=one: one.bins(part.learn, part.held) for one in ordered]  # type: ignore[misc]


def _alone(part: Part, column: str, tables: list[Table]) -> dict[str, Any] | None:
    """What is found of a column by its values, or else by its changes."""
    for table, role in zip(tables, (None, *_CHANGES), strict=False):
        area = table.held_area()
        if area >= ALONE and part.low(part.held, lambda draws, one=table: draws(one.held_scores())) >= STRONG:  # type: ignore[misc]
            return (
                finding_of(part, column, "jump", area, role=role) if role else finding_of(part, column, "alone", area)
            )
    return None


def _added(rows: Rows, whole: Part, suspects: list[_Suspect], named: set[str]) -> list[dict[str, Any]]:
    """Findings by one model of the task: without suspects, ``named`` columns, and copies of either."""
    if not suspects:
        return []
    without = {suspect.column for suspect in suspects} | named
    without |= copies_of(rows, whole, without)
    scores = scores_of(rows, [name for name in rows.values if name not in without], whole.labels)
    found: dict[str, dict[str, Any]] = {}
    for suspect in suspects:
        if suspect.column not in found and (finding := _against(suspect, scores)):
            found[suspect.column] = finding
    return list(found.values())


def _against(suspect: _Suspect, scores: np.ndarray) -> dict[str, Any] | None:
    """What is found of a suspect beside the others' ``scores`` (rows,)."""
    part, column, others = suspect.part, suspect.column, scores[suspect.part.held]
    without = part.area(part.held, others)
    if suspect.on_validate >= STRONG and (
        part.low(part.held, lambda draws: draws(suspect.held) - (1 - CLOSED) * draws(others)) > CLOSED
    ):
        return finding_of(part, column, "better", suspect.on_validate, without)
    if suspect.on_train >= STRONG and (
        part.low(part.learn, lambda draws: draws(suspect.learn) - (1 - CLOSED) * without) > CLOSED
    ):
        return finding_of(part, column, "train", suspect.on_train, without)
    if suspect.pure and (expected := float(scores[suspect.pure.rows].mean())) <= MOST_EXPECTED:
        return finding_of(part, column, "pure", suspect.on_validate, without, pure=suspect.pure, expected=expected)
    return None
