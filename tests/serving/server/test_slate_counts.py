"""Counts of slates for /metrics by surface, task and version."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from prometheus_client import REGISTRY

from serving.ranking.slate import ForeignVectors
from serving.server.slate_counts import count
from tests.serving.server.slates import slate


@pytest.fixture
def grown() -> Callable[..., float]:
    """By how much a counter has grown since the test began."""

    def value(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(f"heliograph_{name}_total", labels) or 0.0

    before = {
        (metric.name, tuple(sorted(sample.labels.items()))): sample.value
        for metric in REGISTRY.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    }
    return lambda name, **labels: (
        value(name, **labels) - before.get((f"heliograph_{name}", tuple(sorted(labels.items()))), 0.0)
    )


def test_a_slate_is_counted_by_surface_task_and_version(grown: Callable[..., float]) -> None:
    for one in (slate(1, 7, 8, 9), slate(9, 7), replace(slate(1, 7), surface="email", foreign=ForeignVectors(1, 0))):
        count(one)
    push, email = {"surface": "push", "version": "4"}, {"surface": "email", "version": "4"}
    assert (grown("slates", **push), grown("slates", **email)) == (2, 1)
    assert grown("predictions", task="click", **push) == 4
    assert grown("predicted", task="click", **push) == pytest.approx(1 / 2 + 1 / 3 + 1 / 4 + 1 / 2)
    assert grown("predicted", task="dwell", **email) == 0.5
    vectors = {(kind, fate): grown("vectors", kind=kind, fate=fate, **push) for kind, fate in KINDS}
    assert vectors == dict(zip(KINDS, (1, 1, 0, 3, 1, 0), strict=True))
    assert grown("vectors", kind="member", fate="of_another_version", **email) == 1
    assert grown("fallbacks", **push) == 0


KINDS = [(kind, fate) for kind in ("member", "item") for fate in ("used", "cold", "of_another_version")]


def test_a_fallback_has_neither_predictions_nor_vectors(grown: Callable[..., float]) -> None:
    count(replace(slate(9, 7, 8), fallback=True))
    place = {"surface": "push", "version": "4"}
    assert (grown("slates", **place), grown("fallbacks", **place)) == (1, 1)
    assert grown("predictions", task="click", **place) == 0
    assert [grown("vectors", kind=kind, fate=fate, **place) for kind, fate in KINDS] == [0] * 6


def test_a_slate_without_candidates_is_a_slate(grown: Callable[..., float]) -> None:
    count(slate(1))
    assert grown("slates", surface="push", version="4") == 1
    assert grown("predictions", task="click", surface="push", version="4") == 0
