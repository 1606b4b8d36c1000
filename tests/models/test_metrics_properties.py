"""Every metric against a reference that goes through the rows one by one, on whatever a caller may hand over."""

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import metrics
from models.bootstrap import POINT, Metric, UserBootstrap
from models.training.errors import DivergedError
from models.training.predict import task_aucs
from monitoring.calibration import reliability, roc

METRICS: tuple[Metric, ...] = ("auc", "gauc", "ndcg", "log_loss", "normalised_entropy", "ece")
RANKINGS, PROBABILITIES = METRICS[:3], METRICS[3:]
SCORES = (0.0, 0.1, 0.1 + 1e-12, 0.25, 0.5, 0.5, 0.75, 1.0)
ROWS = st.lists(
    st.tuples(st.sampled_from([0.0, 1.0, 1.0, math.nan]), st.sampled_from(SCORES), st.integers(0, 3)), max_size=30
)
Rows = Sequence[tuple[float, float, int]]


def arrays(rows: Rows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    labels, scores, groups = zip(*rows, strict=True) if rows else ((), (), ())
    return np.array(labels, dtype=float), np.array(scores, dtype=float), np.array(groups, dtype=np.int64)


def brute_auc(rows: Rows) -> float:
    """Every pair of a positive and a negative row."""
    pairs = [(a[1], b[1]) for a in rows for b in rows if a[0] == 1 and b[0] == 0]
    return float(np.mean([(a > b) + (a == b) / 2 for a, b in pairs])) if pairs else math.nan


def brute_gauc(rows: Rows) -> float:
    parts = [[row for row in rows if row[2] == group and not math.isnan(row[0])] for group in {row[2] for row in rows}]
    known = [(brute_auc(part), len(part)) for part in parts if not math.isnan(brute_auc(part))]
    return sum(area * size for area, size in known) / sum(size for _, size in known) if known else math.nan


def brute_ndcg(rows: Rows, k: int) -> float:
    """The gain of each place is the mean over the rows that could stand there."""
    found = []
    for group in {row[2] for row in rows}:
        part = [row for row in rows if row[2] == group and not math.isnan(row[0])]
        ranked = sorted(part, key=lambda row: -row[1])
        gains = [np.mean([row[0] for row in part if row[1] == place[1]]) for place in ranked]
        ideal = sorted((row[0] for row in part), reverse=True)
        reached, best = (sum(g / math.log2(i + 2) for i, g in enumerate(side[:k])) for side in (gains, ideal))
        if best:
            found.append(reached / best)
    return float(np.mean(found)) if found else math.nan


def brute_log_loss(rows: Rows) -> float:
    chances = [(label, min(max(score, 1e-7), 1 - 1e-7)) for label, score, _ in rows if not math.isnan(label)]
    lost = [-math.log(chance) if label else -math.log1p(-chance) for label, chance in chances]
    return float(np.mean(lost)) if lost else math.nan


def brute_ece(rows: Rows, bins: int = 15) -> float:
    """Every row is spread over the places of the rows that share its score; a bin is a run of places."""
    known = sorted(((score, label) for label, score, _ in rows if not math.isnan(label)), key=lambda row: row[0])
    if not known:
        return math.nan
    gaps = []
    for score, _ in known:
        tied = [label for other, label in known if other == score]
        gaps.append(Fraction(sum(map(int, tied)), len(tied)) - Fraction(score))
    parts = np.array_split(np.array(gaps, dtype=object), min(bins, len(gaps)))
    return float(sum(abs(sum(part.tolist(), Fraction(0))) for part in parts) / len(known))


@settings(max_examples=150, deadline=None)
@given(ROWS, st.integers(1, 12))
def test_every_metric_is_what_going_through_the_rows_gives(rows: Rows, k: int) -> None:
    labels, scores, groups = arrays(rows)
    near = {"nan_ok": True, "abs": 1e-9}
    assert metrics.auc(labels, scores) == pytest.approx(brute_auc(rows), **near)
    assert metrics.gauc(labels, scores, groups) == pytest.approx(brute_gauc(rows), **near)
    assert metrics.ndcg(labels, scores, groups, k) == pytest.approx(brute_ndcg(rows, k), **near)
    assert metrics.log_loss(labels, scores) == pytest.approx(brute_log_loss(rows), **near)
    for bins in (1, 3, 15):
        assert metrics.ece(labels, scores, bins) == pytest.approx(brute_ece(rows, bins), **near)
    known = [row for row in rows if not math.isnan(row[0])]
    rate = np.mean([row[0] for row in known]) if known else 0.0
    if 0 < rate < 1:
        knowing_nothing = -(rate * math.log(rate) + (1 - rate) * math.log1p(-rate))
        assert metrics.normalised_entropy(labels, scores) == pytest.approx(brute_log_loss(rows) / knowing_nothing)
    else:
        assert math.isnan(metrics.normalised_entropy(labels, scores))


@settings(max_examples=100, deadline=None)
@given(ROWS.filter(bool), st.randoms(use_true_random=False))
def test_no_figure_and_no_draw_depends_on_the_order_of_rows_by_a_single_bit(rows: Rows, random: object) -> None:
    mixed = list(rows)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    (labels, scores, groups), other = arrays(rows), arrays(mixed)
    draw, drawn = UserBootstrap(groups, 3), UserBootstrap(other[2], 3)
    for metric in METRICS:
        np.testing.assert_array_equal(POINT[metric](labels, scores, groups), POINT[metric](*other))
        np.testing.assert_array_equal(draw.draws(metric, labels, scores), drawn.draws(metric, *other[:2]))
    np.testing.assert_equal(reliability(labels, scores, 4), reliability(*other[:2], 4))
    np.testing.assert_equal(roc(labels, scores), roc(*other[:2]))


def sample(rows: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    scores = random.random(rows).round(1)
    return (random.random(rows) < scores).astype(float), scores, random.integers(0, 5, rows)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("bad", [0, 7, slice(None)], ids=["one", "another", "all"])
def test_a_score_that_is_no_number_makes_the_metric_none_and_its_draws(metric: Metric, bad: int | slice) -> None:
    labels, scores, groups = sample()
    scores[bad] = np.nan
    assert math.isnan(POINT[metric](labels, scores, groups))
    draw = UserBootstrap(groups, 4)
    assert math.isnan(draw.point(metric, labels, scores))
    assert np.isnan(draw.draws(metric, labels, scores)).all()
    labels[bad] = np.nan  # without a label nobody asks for the score
    assert math.isnan(POINT[metric](labels, scores, groups)) == (bad == slice(None))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("value", [math.inf, -math.inf, 1.5, -0.5])
def test_an_infinite_score_ranks_and_is_no_probability(metric: Metric, value: float) -> None:
    labels, scores, groups = sample()
    scores[3] = value
    finite = np.where(np.isinf(scores), np.sign(scores) * 9, scores)
    found, drawn = POINT[metric](labels, scores, groups), UserBootstrap(groups, 4).draws(metric, labels, scores)
    if metric in RANKINGS:
        assert found == POINT[metric](labels, finite, groups)
        assert np.isfinite(drawn).any()
    else:
        assert math.isnan(found)
        assert np.isnan(drawn).all()


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", [np.float32, np.float16, np.int8, np.uint8, np.uint64, bool])
def test_the_type_of_the_arrays_changes_no_figure(metric: Metric, kind: type) -> None:
    labels, scores, groups = sample()
    scores = (scores * 10).round().clip(0, 1).astype(kind)
    expected = POINT[metric](labels, scores.astype(np.float64), groups)
    for typed in (labels.astype(kind), labels.astype(bool), labels.tolist(), pd.Series(labels)):
        assert POINT[metric](typed, scores, groups) == expected
    assert POINT[metric](labels, scores.tolist(), groups.tolist()) == expected


def test_whole_scores_beyond_2_to_the_53_are_distinguished() -> None:
    scores = np.array([2**53, 2**53 + 1, 2**53 + 2, 2**53 + 3])
    labels, groups = np.array([0, 1, 0, 1]), np.zeros(4)
    assert metrics.auc(labels, scores) == metrics.gauc(labels, scores, groups) == 0.75
    assert metrics.ndcg(labels, scores, groups) == metrics.ndcg(labels, np.arange(4.0), groups)


@pytest.mark.parametrize(
    "name",
    [
        str,
        float,
        lambda group: np.datetime64("2026-01-01") + group,
        lambda group: None if group == 0 else f"member {group}",
        lambda group: pd.NA if group == 0 else f"member {group}",
        lambda group: (1, "a", 2.5, None, 7)[group],
        lambda group: math.nan if group == 0 else float(group),
        lambda group: 2**53 + group,
    ],
    ids=["text", "float", "date", "None", "NA", "mixed", "NaN", "beyond 2^53"],
)
def test_groups_may_be_of_any_type(name: Callable[[int], object]) -> None:
    labels, scores, groups = sample()
    named = np.array([name(int(group)) for group in groups])
    assert metrics.gauc(labels, scores, named) == pytest.approx(metrics.gauc(labels, scores, groups))
    assert metrics.ndcg(labels, scores, named) == pytest.approx(metrics.ndcg(labels, scores, groups))
    assert UserBootstrap(named, 3).point("gauc", labels, scores) == pytest.approx(metrics.gauc(labels, scores, groups))


@pytest.mark.parametrize("metric", METRICS)
def test_equal_scores_say_nothing(metric: Metric) -> None:
    labels, scores, groups = np.array([0.0, 1.0, 1.0, 0.0]), np.full(4, 0.5), np.zeros(4)
    expected = {"auc": 0.5, "gauc": 0.5, "log_loss": math.log(2), "normalised_entropy": 1.0, "ece": 0.0}
    expected["ndcg"] = (sum(1 / math.log2(i + 2) for i in range(4)) / 2) / (1 + 1 / math.log2(3))
    assert POINT[metric](labels, scores, groups) == pytest.approx(expected[metric])


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ([0.0, 1.0, 2.0], [0.1, 0.2, 0.3], "expected 0, 1 or NaN .no label.; found 2"),
        ([-1, 1, 1], [0.1, 0.2, 0.3], "found -1"),
        ([0.0, 1.0, math.inf], [0.1, 0.2, 0.3], "found inf"),
        ([0.0, 1.0], [0.1, 0.2, 0.3], "one length"),
        ([0.0, 1.0, 1.0], [[0.1], [0.2], [0.3]], "flat arrays"),
        ([[0.0], [1.0], [1.0]], [[0.1], [0.2], [0.3]], "flat arrays"),
        ([0.0, 1.0, 1.0], ["0.1", "0.2", "0.3"], "scores: expected numbers"),
        (["0", "1", "1"], [0.1, 0.2, 0.3], "labels: expected numbers"),
        ([0.0, 1.0, 1.0], [0.1, 0.2, 0.3j], "scores: expected numbers"),
        ([0.0, 1.0, 1.0], [0.1, 0.2, "x"], "scores: expected numbers"),
        ([0.0, 1.0, 1.0], [0.1, 0.2, {}], "scores: expected numbers"),
    ],
)
def test_what_is_no_such_array_is_refused(metric: Metric, labels: list, scores: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        POINT[metric](labels, scores, np.zeros(len(labels)))  # type: ignore[arg-type]


def test_no_place_no_bin_and_groups_of_another_length_are_refused() -> None:
    labels, scores, groups = sample()
    with pytest.raises(ValueError, match="k: expected 1 or more"):
        metrics.ndcg(labels, scores, groups, k=0)
    with pytest.raises(ValueError, match="bins: expected 1 or more"):
        metrics.ece(labels, scores, bins=0)
    with pytest.raises(ValueError, match="one length"):
        metrics.gauc(labels, scores, groups[1:])
    with pytest.raises(ValueError, match="groups: expected one value a row"):
        UserBootstrap(groups[:, None])


def test_none_is_no_label_and_no_score() -> None:
    assert metrics.auc([None, 1, 0], [0.9, 0.8, 0.1]) == 1.0  # type: ignore[arg-type]
    assert math.isnan(metrics.auc([0, 1, 0], [None, 0.8, 0.1]))  # type: ignore[arg-type]


def test_a_network_that_returns_nan_is_never_the_best_of_its_validation() -> None:
    labels, logits = np.array([[0.0], [1.0], [np.nan]]), np.array([[0.1], [0.2], [np.nan]], dtype=np.float32)
    with pytest.raises(DivergedError, match="NaN in 1 of 3 rows"):
        task_aucs(["click"], labels, logits)
    assert task_aucs(["click"], labels[:2], logits[:2]) == {"click": 1.0}


def test_curves_of_missing_scores_are_empty() -> None:
    labels, scores, _ = sample()
    scores[5] = np.nan
    assert reliability(labels, scores) == []
    assert roc(labels, scores)["threshold"] == []
