"""Calibration checks: which bound and which figure each one compares, and when it blocks."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.bootstrap import UserBootstrap, interval
from models.spec import Spec
from models.spec.gate import TaskBounds
from monitoring.bounds import calibration
from monitoring.differences import Finding
from monitoring.measure import SEED
from monitoring.predictions import Scored
from tests.monitoring.fakes import small_spec

RATE = 0.3


def spec(**gate: Any) -> Spec:
    return small_spec().model_copy(update={"gate": small_spec().gate.model_copy(update={"bootstraps": 100, **gate})})


WIDE: dict[str, Any] = {"mean_ratio": [0.001, 1000.0], "surface_ratio": [0.001, 1000.0]}


def scored(rows: int = 2000, *, feed: float = RATE, email: float = RATE, positives: int | None = None) -> Scored:
    """Rows of 200 members with a positive rate of ``RATE``, half on each surface, and constant predictions on each."""
    labels = np.arange(rows) % 10 < 10 * RATE if positives is None else np.arange(rows) < positives
    labels = np.random.default_rng(0).permutation(labels).astype(float)
    surface = np.where(np.arange(rows) % 2 == 0, "feed", "notification")
    scores = np.where(surface == "feed", feed, email)
    return Scored(labels, np.arange(rows) % 200, {"candidate": scores}, pd.DataFrame({"surface": surface}))


def blocking(findings: list[Finding]) -> list[str]:
    return [finding.sentence for finding in findings if finding.blocks]


@pytest.mark.parametrize("task", ["click", "like"])
@pytest.mark.parametrize(("factor", "blocks"), [(1.0, False), (1.5, True), (0.6, True)])
def test_a_mean_ratio_out_of_bounds_blocks_in_both_directions(task: str, factor: float, blocks: bool) -> None:
    rows = scored(feed=RATE * factor, email=RATE * factor)
    found, findings = calibration(spec(ece=1.0, surface_ratio=[0.001, 1000.0]), rows, task)
    assert found["ratio"]["value"] == pytest.approx(factor)
    assert any("gate.mean_ratio" in sentence for sentence in blocking(findings)) is blocks
    own = spec(ece=1.0, surface_ratio=[0.001, 1000.0], tasks={task: TaskBounds(mean_ratio=[0.5, 2.0])})
    assert blocking(calibration(own, rows, task)[1]) == []


def test_the_ratio_s_interval_is_that_of_draws_of_members_at_the_gate_s_confidence() -> None:
    rows = scored(300)
    bootstrap = UserBootstrap(rows.members, 100, SEED)
    predicted, observed = bootstrap.columns(bootstrap.user, rows.scores["candidate"], rows.labels)
    found, _ = calibration(spec(confidence=0.6), rows, "click")
    assert (found["ratio"]["low"], found["ratio"]["high"]) == pytest.approx(interval(predicted / observed, 0.6))


def test_a_ratio_out_of_bounds_by_chance_does_not_block() -> None:
    rows = scored(60, feed=RATE * 1.3, email=RATE * 1.3)
    found, findings = calibration(spec(ece=1.0), rows, "click")
    assert found["ratio"]["value"] > 1.25 > found["ratio"]["low"]
    assert blocking(findings) == []


def test_draws_without_a_positive_label_have_no_ratio() -> None:
    rows = scored(200, feed=0.05, email=0.05, positives=10)
    rows = rows._replace(members=np.where(rows.labels == 1, 0, np.arange(200)))  # a third of the draws miss member 0
    found, _ = calibration(spec(), rows, "click")
    assert found["ratio"]["high"] < 2


@pytest.mark.parametrize(("positives", "checked"), [(9, False), (10, True)])
def test_a_ratio_needs_ten_positive_labels(positives: int, checked: bool) -> None:
    found, _ = calibration(spec(), scored(positives=positives), "click")
    assert ("ratio" in found) is checked


@pytest.mark.parametrize(("positives", "checked"), [(29, False), (30, True)])
def test_a_surface_s_ratio_needs_thirty_positive_labels(positives: int, checked: bool) -> None:
    rows = scored()
    feed = (rows.rows["surface"] == "feed").to_numpy()
    rows = rows._replace(labels=np.where(feed, np.cumsum(feed) <= positives, rows.labels).astype(float))
    found, _ = calibration(spec(), rows, "click")
    assert ("feed" in found["surfaces"]) is checked


@pytest.mark.parametrize(("factor", "blocks"), [(1.6, False), (2.4, True), (0.4, True)])
def test_a_surface_has_bounds_of_its_own_on_the_primary_task_alone(factor: float, blocks: bool) -> None:
    rows, gate = scored(feed=RATE * factor), {"ece": 1.0, "mean_ratio": [0.8, 1.25]}
    surface = [sentence for sentence in blocking(calibration(spec(**gate), rows, "click")[1]) if "on feed" in sentence]
    assert len(surface) is int(blocks)
    assert all("0.5 to 2.0 is allowed (gate.surface_ratio)" in sentence for sentence in surface)
    sentences = [finding for finding in calibration(spec(**gate), rows, "like")[1] if "on feed" in finding.sentence]
    assert [finding.blocks for finding in sentences] == [False]


@pytest.mark.parametrize("rows", [60, 20_000])
def test_an_ece_above_its_bound_blocks_only_beyond_chance(rows: int) -> None:
    found, findings = calibration(spec(**WIDE, ece=0.05), scored(rows, feed=0.37, email=0.37), "click")
    assert found["ece"]["value"] == pytest.approx(0.07, abs=0.03)
    assert found["ece"]["low"] < found["ece"]["value"]
    assert bool(blocking(findings)) is (rows == 20_000)
    own = spec(**WIDE, ece=0.05, tasks={"click": TaskBounds(ece=0.5)})
    assert blocking(calibration(own, scored(rows, feed=0.37, email=0.37), "click")[1]) == []


@pytest.mark.parametrize(
    ("task", "references", "blocks"),
    [
        ("like", (), True),
        ("like", (0.3,), True),
        ("like", (0.42,), False),
        ("like", (0.3, 0.42), True),
        ("like", (0.34,), True),
        ("like", (0.36,), False),
        ("click", (0.42,), True),
    ],
)
def test_the_ece_of_another_task_is_compared_with_the_best_reference(
    task: str, references: tuple[float, ...], blocks: bool
) -> None:
    """Predictions of 0.4 at a rate of 0.3 have an ECE of 0.1; the bound is 0.05."""
    rows = scored(20_000, feed=0.4, email=0.4)
    for place, probability in enumerate(references):
        rows.scores[f"version_{place}"] = np.full(len(rows.labels), probability)
    _, findings = calibration(spec(**WIDE, ece=0.05), rows, task, [f"version_{n}" for n in range(len(references))])
    assert bool(blocking(findings)) is blocks
