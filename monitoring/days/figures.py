"""Figures of a task in the cells of a day: calibration sums, realized AUC and normalized entropy."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from models.time_units import HOUR
from monitoring.days.rows import Rows
from monitoring.statistics.canary import Difference, difference
from monitoring.statistics.clusters import is_few, share_error
from monitoring.statistics.ranking import auc_interval, entropy_interval

ALL = "all"
"""Stands for every surface, version or cohort."""
MOST_CELLS = 20
"""The most surfaces, and the most versions, that have cells of their own: those with most rows."""
_MOST_PAIRED = 6
"""The most versions that are compared with each other: those with most rows."""
_FEWEST = 10
"""Positive and negative rows that an AUC needs."""
_NORMAL = 1.959963984540054


@dataclass(frozen=True)
class Figure:
    """One task in one cell. Fallbacks, and rows without a probability between 0 and 1, are left out."""

    task: str
    surface: str
    version: str
    cohort: str
    """cold (member or item without history), warm, or all."""
    rows: int
    settled: int
    positives: int
    expected: float
    """Sum of the probabilities of the settled rows."""
    variance: float
    """Sum of p (1 - p) over them."""
    auc: float | None = None
    auc_error: float | None = None
    """Standard error between members, as the next one."""
    normalised_entropy: float | None = None
    entropy_error: float | None = None

    def to_page(self) -> dict[str, Any]:
        """The figure as the monitoring page reads it, with intervals of 95 %."""
        settled, seen = max(self.settled, 1), self.settled > 0
        ratio = self.expected / self.positives if self.positives else None
        error = _NORMAL * self.variance**0.5 / self.positives if self.positives else 0.0
        spread = _NORMAL * (self.auc_error or 0.0)
        return {
            **{name: value for name, value in asdict(self).items() if not name.endswith("error")},
            "ctr": self.positives / settled if seen else None,
            "predicted": self.expected / settled if seen else None,
            "ratio": ratio,
            "ratio_low": None if ratio is None else ratio / (1 + error),
            "ratio_high": None if ratio is None else ratio * (1 + error),
            "auc_low": None if self.auc is None else max(self.auc - spread, 0.0),
            "auc_high": None if self.auc is None else min(self.auc + spread, 1.0),
        }


def figures(rows: Rows, task: str, counted: np.ndarray) -> list[Figure]:
    """The figures of a task over the rows that ``counted`` (rows,) bool names, whatever their order.

    Cells: all; each surface; each version; each surface of each version; cold and warm.
    """
    probability, label = rows.numbers(f"probability_{task}"), rows.numbers(f"label_{task}")
    usable = np.flatnonzero(counted & (probability >= 0) & (probability <= 1))
    # Sums do not depend on the order of the rows: they are sorted by probability, then label. The bits of a number
    # from 0 to 1 are in its order.
    bits = (probability[usable] + 0.0).view(np.int64) * 2 + (label[usable] > 0)
    usable = usable[np.argsort(bits)]
    probability, label = probability[usable], label[usable]
    member = rows.names("member").codes[usable]
    found = []
    for surface, version, cohort, chosen in _cells(rows, usable):
        whole = surface == ALL or version == ALL
        found.append(
            _figure((task, surface, version, cohort), probability[chosen], label[chosen], member[chosen], whole)
        )
    return found


def _cells(rows: Rows, places: np.ndarray) -> Iterator[tuple[str, str, str, Any]]:
    surfaces, versions = rows.names("surface"), rows.names("model_version")
    surface, version = surfaces.codes[places], versions.codes[places]
    yield ALL, ALL, ALL, slice(None)
    first = largest(surface, surfaces.values)
    second = largest(version, versions.values)
    for place in first:
        yield surfaces.values[place], ALL, ALL, surface == place
    for other in second:
        yield ALL, versions.values[other], ALL, version == other
        for place in first:
            chosen = (version == other) & (surface == place)
            if chosen.any():
                yield surfaces.values[place], versions.values[other], ALL, chosen
    cold = (rows.flags("member_cold") | rows.flags("item_cold"))[places]
    yield ALL, ALL, "cold", cold
    yield ALL, ALL, "warm", ~cold


def largest(codes: np.ndarray, values: list[str]) -> list[int]:
    """Positions in ``values`` of the 20 most frequent ``codes`` (rows,) int64, the most frequent first; -1 = null."""
    counts = np.bincount(codes[codes >= 0], minlength=len(values))
    return np.argsort(-counts, kind="stable")[:MOST_CELLS].tolist()


def _figure(
    cell: tuple[str, ...], probability: np.ndarray, label: np.ndarray, member: np.ndarray, ranked: bool
) -> Figure:
    known = ~np.isnan(label)
    settled, positive = probability[known], label[known] > 0
    task, surface, version, cohort = cell
    found = Figure(
        task=task,
        surface=surface,
        version=version,
        cohort=cohort,
        rows=len(label),
        settled=len(settled),
        positives=int(positive.sum()),
        expected=float(settled.sum()),
        variance=float((settled * (1 - settled)).sum()),
    )
    if not ranked or min(found.positives, found.settled - found.positives) < _FEWEST:
        return found
    area = auc_interval(positive, settled, member[known])
    entropy = entropy_interval(positive, settled, member[known])
    return replace(
        found,
        auc=area.value,
        auc_error=area.error,
        normalised_entropy=entropy.value,
        entropy_error=entropy.error,
    )


def canaries(rows: Rows, task: str, counted: np.ndarray) -> list[dict[str, Any]]:
    """The rates of positives of every two versions, in the hours in which both served (``DaySummary.canaries``).

    A day may have three and more: a canary that is promoted at noon is the champion of the next one in the evening.
    Of two versions the one with more rows is called champion here, though a canary may have most of the traffic: the
    monitor knows the roles. ``counted`` (rows,) bool: the rows that count.
    """
    versions, label = rows.names("model_version"), rows.numbers(f"label_{task}")
    member, hour = rows.names("member").codes, rows.times("served") // HOUR
    found = []
    for first, second in combinations(largest(versions.codes[counted], versions.values)[:_MOST_PAIRED], 2):
        chosen = counted & np.isin(versions.codes, (first, second)) & ~np.isnan(label)
        ordered = np.lexsort((hour[chosen], label[chosen], member[chosen]))
        columns = (label, versions.codes == second, member, hour)
        values, canary, who, when = (column[chosen][ordered] for column in columns)
        result = difference(values, canary, who, when)
        error = _error(result)
        if np.isfinite(error):
            found.append(
                {
                    "task": task,
                    "champion": versions.values[first],
                    "canary": versions.values[second],
                    "champion_rate": result.champion.value,
                    "difference": result.difference.value,
                    "error": error,
                    "rows": result.canary.rows,
                    "together": result.difference.rows / len(values),
                }
            )
    return found


def _error(found: Difference) -> float:
    """Standard error of a difference of rates; NaN where it is unknown.

    A canary of a few rows has no positive one by chance: its rate of 0 would be certain.
    """
    sides = (found.champion, found.canary)
    if min(side.clusters for side in sides) < 2:
        return float("nan")
    error = found.difference.error
    if any(is_few(side.value, side.rows, side.clusters) for side in sides):
        rows = [side.rows for side in sides]
        error = max(error, share_error(sum(side.value * side.rows for side in sides) / sum(rows), *rows))
    return error
