"""Labels of the windows: a task whose rows have one class only in a window cannot be learned or judged there.

The primary task needs both classes in train, validate, gate and test: it stops the training, ranks the slates, and the
gate compares it. Every task needs them in train, where there is nothing to learn otherwise. Another task may lack a
class in a later window: calibration, gate and report leave it out there, so that a rare outcome which is missing on one
day stops no run.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from feature_repo.sources.errors import SourceError
from models.filters import mask
from models.spec import Spec
from models.spec.schema import WINDOW_ORDER
from models.time_units import DAY, moment

LABELED = WINDOW_ORDER[1:]
_FITTED = ("train", "validate")
"""Windows whose labels a fit reads: they have to be settled when the window ends."""


class Labels(NamedTuple):
    """The labels of one task in one window."""

    window: str
    task: str
    rows: int
    """Rows in the window on which the task is defined: its filter keeps them, and the label is not null."""
    positives: int
    known: int
    """Of the rows, those that a fit may read; in gate and test all."""
    known_positives: int

    @property
    def one_class(self) -> bool:
        """Whether the rows that count have fewer than two classes."""
        return self.known_positives in (0, self.known)


class OneClass(NamedTuple):
    """A window in which a task has one class."""

    labels: Labels
    refused: bool
    """Whether ingest refuses it, where a training follows."""
    sentence: str


def count_labels(spec: Spec, shown: pd.DataFrame) -> list[Labels]:
    """The labels of every task in the windows train to test. ``shown``: valid impressions; the windows have dates."""
    found = []
    for window in LABELED:
        part = inside(spec, shown, window)
        end = pd.Timestamp(spec.span(window).end, unit="us", tz="UTC")
        known = (part[spec.impressions.settled] < end).to_numpy() | (window not in _FITTED)
        for name, task in spec.tasks.items():
            kept = mask(part, task.filter) & part[task.label].notna().to_numpy()
            positive = kept & (part[task.label] == 1).to_numpy(dtype=bool, na_value=False)
            counts = (kept, positive, kept & known, positive & known)
            found.append(Labels(window, name, *(int(np.count_nonzero(one)) for one in counts)))
    return found


def one_class(spec: Spec, shown: pd.DataFrame, rolled: bool = False) -> Iterator[OneClass]:
    """The windows in which a task has one class, or no label. ``rolled``: the data has decided on their dates."""
    counted = count_labels(spec, shown)
    for labels in counted:
        if labels.one_class:
            refused = labels.window == "train" or labels.task == spec.primary_task
            everywhere = _everywhere(spec, [one for one in counted if one.task == labels.task])
            yield OneClass(labels, refused, _sentence(spec, labels, refused, rolled, everywhere))


def check_classes(spec: Spec, shown: pd.DataFrame, rolled: bool = False) -> list[str]:
    """Raise SourceError for windows on which the tasks cannot be trained or judged; return sentences about others."""
    found = list(one_class(spec, shown, rolled))
    refused = [one.sentence for one in found if one.refused]
    if refused:
        raise SourceError(refused[0], tuple(refused[1:]))
    return [one.sentence for one in found]


def inside(spec: Spec, shown: pd.DataFrame, window: str) -> pd.DataFrame:
    """The impressions of a window."""
    start, end = (pd.Timestamp(time, unit="us", tz="UTC") for time in spec.span(window))
    times = shown[spec.impressions.time]
    return shown[((times >= start) & (times < end)).to_numpy()]


def dates(spec: Spec, window: str) -> str:
    """First and last day of a window, in words."""
    first, last = (moment(time).astimezone(spec.zone).date() for time in _ends(spec, window))
    return f"{first}" if first == last else f"{first} to {last}"


def _ends(spec: Spec, window: str) -> tuple[int, int]:
    span = spec.span(window)
    return span.start, max(span.start, span.end - DAY // 2)  # a day may have 23 hours


def _everywhere(spec: Spec, windows: list[Labels]) -> str:
    """What to do where a task has one class in all windows, so that other windows would not help; else nothing."""
    task, positives = windows[0].task, sum(one.positives for one in windows)
    label = spec.tasks[task].label
    if not positives:
        return f"No window has a positive one: check how {label} is made"
    if positives < sum(one.rows for one in windows):
        return ""
    if task == spec.primary_task:
        return "Every row is positive: a log without what was not chosen needs impressions.sample_negatives"
    return f"Every row is positive: check how {label} is made"


def _sentence(spec: Spec, labels: Labels, refused: bool, rolled: bool, everywhere: str) -> str:
    window, task = labels.window, labels.task
    what = f"window {window} ({dates(spec, window)}), task {task}: expected rows of both classes"
    found = f"{labels.rows:,} rows, {labels.positives:,} of them positive"
    if labels.positives not in (0, labels.rows):  # the whole window would do
        found += f", but only {labels.known:,} rows with {labels.known_positives:,} positive had settled at its end"
    if everywhere and labels.rows:
        return f"{what}; found {found}. {everywhere}"
    if not refused:
        return (
            f"{what}; found {found}. The task is not judged there: make windows.{window}.days longer, or drop the task"
        )
    other = "name another primary task" if task == spec.primary_task else "drop the task"
    late = ". The data has decided on these dates (windows.end: latest); newer data moves them" if rolled else ""
    return f"{what}; found {found}. Make windows.{window}.days longer, move the windows, or {other}{late}"
