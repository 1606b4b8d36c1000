"""Evaluation of a study's predictions: metrics over seeds with intervals, and paired differences between rows.

A row's metric is the mean of its metrics per seed (not the metric of mean scores). Its interval is a bootstrap over
users; every row sees the same draws, so a difference of two rows is paired.
"""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.studies.buckets import BUCKETS, FEW, bucket_of, earlier_events
from benchmarks.studies.errors import StudyError
from benchmarks.studies.predictions import Predictions
from benchmarks.studies.row import AS_OF, FROZEN
from models.bootstrap import Metric, UserBootstrap, interval
from models.graph.store import TemporalGraph

STATE: dict[Metric, str] = {
    "auc": AS_OF.name,
    "log_loss": AS_OF.name,
    "normalised_entropy": AS_OF.name,
    "ece": AS_OF.name,
    "gauc": FROZEN.name,
    "ndcg": FROZEN.name,
}
"""The member state that each metric is computed with. Within-member rankings use the frozen state: as-of, a member's
outcomes inside the evaluated window would reveal which of the member's other rows are positive."""
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Truth:
    """The impressions of the scored window."""

    window: str
    keys: np.ndarray
    tasks: tuple[str, ...]
    primary: str
    labels: np.ndarray
    """(n, tasks) float64; NaN where the task is not defined."""
    member: np.ndarray
    """(n,) int64; each unknown member counts as a different one."""
    parts: dict[str, dict[str, np.ndarray]]
    """By breakdown (surface, earlier events of the member, of the item) and by part: (n,) bool."""

    @classmethod
    def of(cls, graph: TemporalGraph, window: str) -> "Truth":
        """Read the impressions from a graph. Raises StudyError where the window has none."""
        seeds, schema = graph.seeds, graph.schema.seeds
        rows = seeds.rows(window)
        if not len(rows):
            raise StudyError(f"window {window!r}: expected impressions to score; found none: check the spec's windows")
        member = seeds.member[rows].numpy()
        surface = seeds.surface[rows].numpy()
        parts = {"surface": {name: surface == place for place, name in enumerate(schema.surfaces)}}
        for side, node in (("member", schema.member), ("item", schema.item)):
            bucket = bucket_of(earlier_events(graph, node, rows).numpy())
            of = {name: bucket == place for place, name in enumerate(BUCKETS)}
            parts[f"earlier events of the {side}"] = {**of, FEW: bucket < len(BUCKETS) - 1}
        return cls(
            window=window,
            keys=seeds.keys.take(rows.numpy()).to_numpy(zero_copy_only=False),
            tasks=tuple(task.name for task in schema.tasks),
            primary=next(task.name for task in schema.tasks if task.primary),
            labels=seeds.labels[rows].double().numpy(),
            member=np.where(member < 0, -1 - np.arange(len(member)), member),
            parts={cut: {name: part for name, part in by.items() if part.any()} for cut, by in parts.items()},
        )


@dataclass(frozen=True)
class Line:
    """One line of a table: the same row fitted with each seed."""

    name: str
    scores: dict[str, list[np.ndarray]]
    """By state, by seed: (n, tasks) float64; NaN where the row has no prediction."""
    notes: list[dict[str, Any]]

    @classmethod
    def of(cls, name: str, truth: Truth, fits: Sequence[Predictions], states: dict[str, str] | None = None) -> "Line":
        """Align the fits' predictions with the truth. ``states``: the fit's states to use for as_of and for frozen."""
        scores: dict[str, list[np.ndarray]] = {}
        for state, of_fit in (states or {AS_OF.name: AS_OF.name, FROZEN.name: FROZEN.name}).items():
            scores[state] = [_beside(truth, fit, of_fit) for fit in fits if of_fit in fit.scores]
        return cls(name, scores, [dict(fit.note) for fit in fits])

    def joined(self, other: "Line") -> "Line":
        """Combine two fits, each for its own states, into one line."""
        return Line(self.name, {**self.scores, **other.scores}, [*self.notes, *other.notes])

    def member_means(self, member: np.ndarray) -> "Line":
        """Replace every score by the mean of its ``member``'s scores, (n,)."""
        which = np.unique(member, return_inverse=True)[1]
        scores = {state: [_means(fit, which) for fit in fits] for state, fits in self.scores.items()}
        return Line(self.name, scores, self.notes)


@dataclass(frozen=True)
class Estimate:
    """A metric, or a difference of two, over seeds."""

    value: float
    low: float
    high: float
    by_seed: tuple[float, ...] = ()
    rows: int = 0
    """Number of rows that it is computed on."""

    @property
    def spread(self) -> float:
        """Standard deviation over seeds; NaN for one seed."""
        return float(np.std(self.by_seed, ddof=1)) if len(self.by_seed) > 1 else float("nan")


NONE = Estimate(float("nan"), float("nan"), float("nan"))


@dataclass
class Evaluation:
    """All lines of a study over one truth."""

    truth: Truth
    lines: dict[str, Line]
    draws: int = 1000
    seed: int = 0
    _kept: dict[Any, tuple[tuple[float, ...], np.ndarray, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.bootstrap = UserBootstrap(self.truth.member, self.draws, self.seed)

    def between_members(self, names: Sequence[str]) -> "Evaluation":
        """Some of the lines with scores averaged by member, which leaves only the ranking between members."""
        found = copy(self)  # with the same draws
        found.lines = {name: self.lines[name].member_means(self.truth.member) for name in names}
        found._kept = {}
        return found

    def metric(self, line: str, metric: Metric, task: str, part: np.ndarray | None = None) -> Estimate:
        """The metric of a line on the rows of ``part`` ((n,) bool, None = all) that the line scores."""
        points, drawn, rows = self._of(line, metric, task, part, self._scored(line, metric, task))
        return _estimate(points, drawn, rows)

    def difference(self, line: str, other: str, metric: Metric, task: str, part: np.ndarray | None = None) -> Estimate:
        """The paired difference ``line`` minus ``other`` on the rows that both score."""
        both = self._scored(line, metric, task) & self._scored(other, metric, task)
        a, drawn_a, rows = self._of(line, metric, task, part, both)
        b, drawn_b, _ = self._of(other, metric, task, part, both)
        if not a or not b:
            return NONE
        found = _estimate((float(np.mean(a) - np.mean(b)),), drawn_a - drawn_b, rows)
        paired = tuple(x - y for x, y in zip(a, b, strict=True)) if len(a) == len(b) else ()
        return Estimate(found.value, found.low, found.high, paired, rows)

    def mean_difference(self, pairs: Sequence[tuple[str, str, np.ndarray]], metric: Metric, task: str) -> Estimate:
        """The mean of the differences of several (line, other, part)."""
        values, drawn, rows = [], [], 0
        for line, other, part in pairs:
            both = self._scored(line, metric, task) & self._scored(other, metric, task)
            a, drawn_a, count = self._of(line, metric, task, part, both)
            b, drawn_b, _ = self._of(other, metric, task, part, both)
            if a and b:
                values.append(float(np.mean(a) - np.mean(b)))
                drawn.append(drawn_a - drawn_b)
                rows += count
        return _estimate((float(np.mean(values)),), np.mean(drawn, axis=0), rows) if values else NONE

    def _of(
        self, line: str, metric: Metric, task: str, part: np.ndarray | None, scored: np.ndarray
    ) -> tuple[tuple[float, ...], np.ndarray, int]:
        """The metric by seed, its mean over seeds in each draw (draws,), and the number of rows."""
        place = self.truth.tasks.index(task)
        kept = scored if part is None else scored & part
        name = (line, metric, task, np.packbits(kept).tobytes())
        if name not in self._kept:
            labels = self.truth.labels[:, place]
            scores = [fit[:, place] for fit in self.lines[line].scores.get(STATE[metric], [])]
            rows = int((kept & ~np.isnan(labels)).sum())
            points = tuple(self.bootstrap.point(metric, labels, fit, kept) for fit in scores) if rows else ()
            defined = points and not np.isnan(points).any()
            drawn = [self.bootstrap.draws(metric, labels, fit, kept) for fit in scores] if defined else []
            mean = np.mean(drawn, axis=0) if drawn else np.full(self.draws, np.nan)
            self._kept[name] = (points if defined else (), mean, rows)
        return self._kept[name]

    def _scored(self, line: str, metric: Metric, task: str) -> np.ndarray:
        """(n,) bool: rows that every fit of the line scores."""
        place = self.truth.tasks.index(task)
        fits = self.lines[line].scores.get(STATE[metric], [])
        if not fits:
            return np.zeros(len(self.truth.keys), dtype=bool)
        return np.logical_and.reduce([~np.isnan(fit[:, place]) for fit in fits])


def _means(scores: np.ndarray, group: np.ndarray) -> np.ndarray:
    """(n, tasks) float64: the mean of the known scores of each row's group; NaN stays."""
    found = np.full(scores.shape, np.nan)
    for column in range(scores.shape[1]):
        known = ~np.isnan(scores[:, column])
        own = group[known]
        means = np.bincount(own, scores[known, column]) / np.maximum(np.bincount(own), 1)
        found[known, column] = means[own]
    return found


def _estimate(points: tuple[float, ...], drawn: np.ndarray, rows: int) -> Estimate:
    if not points:
        return Estimate(float("nan"), float("nan"), float("nan"), rows=rows)
    return Estimate(float(np.mean(points)), *interval(drawn, CONFIDENCE), points, rows)


def _beside(truth: Truth, fit: Predictions, state: str) -> np.ndarray:
    """(n, tasks of the truth) float64: the fit's scores at the truth's impressions; NaN where there is none."""
    order = np.argsort(truth.keys, kind="stable")
    keys = fit.keys.to_numpy(zero_copy_only=False)
    place = order[np.searchsorted(truth.keys, keys, sorter=order).clip(max=len(order) - 1)]
    if (truth.keys[place] != keys).any():
        raise StudyError("predictions: expected impressions of the graph's window; found others: fit again")
    found = np.full(truth.labels.shape, np.nan)
    for column, task in enumerate(fit.tasks):
        found[place, truth.tasks.index(task)] = fit.scores[state][:, column]
    return found
