"""Calibration checks: which bound and which figure each one compares, and when it blocks."""

from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models import metrics
from models.bootstrap import UserBootstrap, interval
from models.spec import Spec
from models.spec.gate import TaskBounds
from monitoring.ahead import SEED
from monitoring.bounds import calibration
from monitoring.differences import Finding
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


def test_the_part_of_the_ece_beyond_chance_leaves_out_each_bins_own_error() -> None:
    rows = scored(120, feed=0.45, email=0.25)
    gaps = UserBootstrap(rows.members, 100, SEED).gaps(rows.labels, rows.scores["candidate"])
    error = np.array([np.std(one) for one in gaps[:, 1:]])
    beyond = [
        max(abs(gap) - NormalDist().inv_cdf(0.7) * each, 0.0) for gap, each in zip(gaps[:, 0], error, strict=True)
    ]
    found, _ = calibration(spec(confidence=0.7), rows, "click")
    assert 0 < found["ece"]["low"] == pytest.approx(sum(beyond) / 120)


def test_a_figure_at_its_bound_does_not_block() -> None:
    rows = scored(feed=0.5, email=0.4)
    found, _ = calibration(spec(), rows, "click")
    ratio, feed, low = found["ratio"], found["surfaces"]["feed"], found["ece"]["low"]
    assert blocking(calibration(spec(**WIDE, ece=low), rows, "click")[1]) == []
    for bounds in ([0.001, ratio["low"]], [ratio["high"], 1000.0]):
        assert blocking(calibration(spec(**{**WIDE, "mean_ratio": bounds}, ece=1.0), rows, "click")[1]) == []
    for bounds in ([0.001, feed["low"]], [feed["high"], 1000.0]):
        within = {"mean_ratio": [0.001, 1000.0], "surface_ratio": bounds}
        blocked = blocking(calibration(spec(**within, ece=1.0), rows, "click")[1])
        assert not any("on feed" in sentence for sentence in blocked)
        own = {"tasks": {"like": TaskBounds().model_copy(update={"mean_ratio": bounds})}}
        sentences = [finding.sentence for finding in calibration(spec(ece=1.0, **own), rows, "like")[1]]
        assert not any("on feed" in sentence for sentence in sentences)


def test_an_ece_that_exceeds_the_best_references_by_just_the_bound_does_not_block() -> None:
    rows = scored(20_000, feed=0.4, email=0.4)
    rows.scores["champion"] = np.full(len(rows.labels), 0.36)
    apart = metrics.ece(rows.labels, rows.scores["candidate"]) - metrics.ece(rows.labels, rows.scores["champion"])
    found, findings = calibration(spec(**WIDE, ece=apart), rows, "like", ["champion"])
    assert found["ece"]["low"] > apart == pytest.approx(0.04)
    assert [finding.sentence for finding in findings] == [
        f"like calibration passes: expected error 0.1000, above {apart} as a reference's is; the probabilities are "
        "1.333 times the labels."
    ]


def test_what_passes_is_reported_in_a_sentence() -> None:
    rows = scored(positives=9, feed=0.0045, email=0.0045)
    assert [(finding.blocks, finding.sentence) for finding in calibration(spec(), rows, "click")[1]] == [
        (
            False,
            "click calibration passes: expected error 0.0000; their ratio was not checked: fewer than 10 positive "
            "labels.",
        )
    ]
    found, findings = calibration(spec(**WIDE), scored(), "click")
    at_the_bound = calibration(spec(**WIDE, ece=found["ece"]["low"]), scored(), "click")[1]
    for (sentence,) in ([one.sentence for one in findings], [one.sentence for one in at_the_bound]):
        assert sentence.endswith(
            f"expected error {found['ece']['value']:.4f}; the probabilities are 1.000 times the labels."
        )


def test_what_blocks_is_reported_in_a_sentence() -> None:
    rows = scored(feed=0.9, email=0.9)
    found, findings = calibration(spec(ece=0.05), rows, "click")
    whole, feed = found["ratio"], found["surfaces"]["feed"]
    assert blocking(findings) == [finding.sentence for finding in findings]
    assert findings[0].sentence == (
        f"click calibration: the expected calibration error is 0.6000, at least {found['ece']['low']:.4f} beyond "
        "chance; at most 0.05 is allowed (gate.ece)."
    )
    assert findings[1].sentence == (
        f"click calibration: the probabilities are 3.000 times the labels [{whole['low']:.3f}, {whole['high']:.3f}]; "
        "0.8 to 1.25 is allowed (gate.mean_ratio)."
    )
    assert findings[3].sentence == (
        f"click calibration on feed: the probabilities are {feed['value']:.3f} times the labels [{feed['low']:.3f}, "
        f"{feed['high']:.3f}]; 0.5 to 2.0 is allowed (gate.surface_ratio)."
    )
    assert len(findings) == 4


def test_a_surface_with_few_labels_hides_no_other() -> None:
    rows = scored()
    feed = (rows.rows["surface"] == "feed").to_numpy()
    found, _ = calibration(spec(), rows._replace(labels=np.where(feed, rows.labels, 0.0)), "click")
    assert spec().impressions.surfaces == ["notification", "feed"]
    assert list(found["surfaces"]) == ["feed"]


def test_a_draw_with_a_single_positive_label_has_a_ratio() -> None:
    rows = scored(positives=10)
    labels = np.zeros(2000)
    labels[np.arange(10) * 200] = 1.0  # all of member 0
    labels[0], labels[1] = 0.0, 1.0  # but one of member 1
    rows = rows._replace(labels=labels)
    bootstrap = UserBootstrap(rows.members, 100, SEED)
    positives = 9 * bootstrap.weights[0] + bootstrap.weights[1]
    assert 1 in positives
    predicted = 0.3 * 10 * bootstrap.weights.sum(axis=0)
    found, _ = calibration(spec(confidence=0.9), rows, "click")
    expected = interval(predicted[positives > 0] / positives[positives > 0], 0.9)
    assert (found["ratio"]["low"], found["ratio"]["high"]) == pytest.approx(expected)
