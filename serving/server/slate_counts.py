"""Counts the slates of a process for /metrics, by surface, task and version.

The series are bounded: a request with a surface that the spec does not have is refused, and a process serves one
version.
"""

from functools import cache
from typing import TYPE_CHECKING

from serving.ranking.slate import Slate
from serving.server import metrics

if TYPE_CHECKING:
    from prometheus_client import Counter


def count(slate: Slate) -> None:
    """Count one slate that is returned. The model's predictions and vectors are not counted for a fallback."""
    place = (slate.surface, slate.model_version)
    _slates(*place).inc()
    if slate.fallback:
        metrics.fallbacks().labels(*place).inc()
        return
    if slate.rows_ahead:
        metrics.rows_ahead().inc(slate.rows_ahead)
    for kind in slate.stale.kinds:
        metrics.stale().labels(kind).inc()
    for task, values in slate.probabilities.items():
        number, total = _predictions(task, *place)
        number.inc(len(values))
        total.inc(float(values.sum()))
    cold_items = int(slate.cold.sum())
    _count_vectors("member", (1 - slate.member_cold, int(slate.member_cold), slate.foreign.member), place)
    _count_vectors("item", (len(slate.items) - cold_items, cold_items, slate.foreign.items), place)


def _count_vectors(kind: str, numbers: tuple[int, int, int], place: tuple[str, str]) -> None:
    for counter, number in zip(_vectors(kind, *place), numbers, strict=True):
        if number:
            counter.inc(number)


# Looking up a series by its labels costs more than counting: each is looked up once.


@cache
def _slates(surface: str, version: str) -> "Counter":
    return metrics.slates().labels(surface, version)


@cache
def _predictions(task: str, surface: str, version: str) -> tuple["Counter", "Counter"]:
    """Number and sum."""
    labels = (task, surface, version)
    return metrics.predictions().labels(*labels), metrics.predicted().labels(*labels)


@cache
def _vectors(kind: str, surface: str, version: str) -> tuple["Counter", "Counter", "Counter"]:
    """Used, cold, of another version."""
    used, cold, foreign = (
        metrics.vectors().labels(kind, fate, surface, version) for fate in ("used", "cold", "of_another_version")
    )
    return used, cold, foreign
