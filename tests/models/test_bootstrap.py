from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import auc_draws, bootstrap, metrics
from models.bootstrap import NDCG_AT, POINT, Metric, UserBootstrap, interval

METRICS: tuple[Metric, ...] = ("auc", "gauc", "ndcg", "log_loss", "normalised_entropy", "ece")
WITHOUT_ECE = METRICS[:-1]


def sample(rows: int = 600, users: int = 40, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    scores = random.random(rows).round(2) * 0.98 + 0.01
    return (random.random(rows) < scores).astype(float), scores, random.integers(0, users, rows) * 3 + 5


@pytest.mark.parametrize("metric", WITHOUT_ECE)
def test_a_draw_is_the_metric_of_the_rows_drawn(metric: Metric) -> None:
    labels, scores, groups = sample()
    labels[::7] = np.nan
    draw = UserBootstrap(groups, n=5, seed=1)
    part = np.arange(len(labels)) % 5 > 0
    found = draw.draws(metric, labels, scores, part)
    kept = part & ~np.isnan(labels)
    for place in range(5):
        times = draw.weights[draw.user, place].astype(int) * kept
        rows = np.repeat(np.arange(len(labels)), times)
        copy = np.concatenate([np.arange(count) for count in times])  # a user drawn twice is two users
        assert found[place] == pytest.approx(POINT[metric](labels[rows], scores[rows], groups[rows] * 1000 + copy))
    assert draw.point(metric, labels, scores, part) == POINT[metric](labels[kept], scores[kept], groups[kept])


SHAPES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "continuous": lambda truth: truth,
    "half the rows on four values": lambda truth: np.where(truth < 0.5, truth.round(1), truth),
    "all equal": lambda truth: np.full(len(truth), 0.3),
    "two values": lambda truth: (truth > 0.7) * 1.0,
    "one value holds nearly all": lambda truth: np.where(truth < 0.99, 0.1, truth),
    "gaps of 1e-9": lambda truth: 0.5 + truth * 1e-9,
    "float32": lambda truth: truth.astype(np.float32),
    "up to infinity": lambda truth: np.where(truth > 0.9, np.inf, np.where(truth < 0.1, -np.inf, truth)),
    "the wrong way round": lambda truth: 1 - truth,
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rate", [0.02, 0.5])
def test_auc_draws_are_exact_whatever_the_scores_are_like(shape: str, rate: float) -> None:
    random = np.random.default_rng(0)
    truth = random.random(6000)
    labels = (random.random(6000) < 2 * rate * truth).astype(float)
    scores = SHAPES[shape](truth)
    user = np.where(truth > 0.8, 0, random.integers(0, 300, 6000))  # one user owns the best rows
    draw = UserBootstrap(user, n=4)
    expected = [
        metrics.auc(np.repeat(labels, times), np.repeat(scores, times))
        for times in draw.weights[draw.user].astype(int).T
    ]
    np.testing.assert_allclose(draw.draws("auc", labels, scores), expected, atol=1e-9)


def test_pieces_and_precisions_give_the_same_auc(monkeypatch: pytest.MonkeyPatch) -> None:
    labels, scores, groups = sample()
    whole = UserBootstrap(groups, 30).draws("auc", labels, scores)
    monkeypatch.setattr(auc_draws, "_AT_ONCE", 1)
    monkeypatch.setattr(auc_draws, "_EXACT", 1)
    np.testing.assert_allclose(UserBootstrap(groups, 30).draws("auc", labels, scores), whole, rtol=1e-12)


def binned_gaps(labels: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(bins, n): the sum of label minus score over 15 bins of equally many rows by score, rows times their weights."""
    parts = np.array_split(np.argsort(scores), 15)
    return np.array([((labels - scores)[part, None] * weights[part]).sum(axis=0) for part in parts])


def test_ece_draws_are_the_ece_of_the_draws_without_the_noise_they_add() -> None:
    random = np.random.default_rng(4)
    scores = random.permutation(np.linspace(0.05, 0.85, 900))
    labels = (random.random(900) < scores + 0.1).astype(float)
    draw = UserBootstrap(random.integers(0, 90, 900), n=40)
    weights = draw.weights[draw.user]
    plain = np.abs(binned_gaps(labels, scores, weights)).sum(axis=0) / weights.sum(axis=0)
    assert plain.mean() > metrics.ece(labels, scores) + 0.001  # what noise adds
    expected = plain - plain.mean() + metrics.ece(labels, scores)
    np.testing.assert_allclose(draw.draws("ece", labels, scores), np.maximum(expected, 0), rtol=1e-9)
    low, high = interval(draw.draws("ece", labels, scores))
    assert low < 0.1 < high  # the gap that labels were made with


def test_ece_draws_of_calibrated_scores_are_never_below_zero() -> None:
    labels, scores, groups = sample(rows=6000, users=600)
    found = UserBootstrap(groups, n=200).draws("ece", labels, scores)
    assert found.min() >= 0
    assert found.max() > 0


def test_gaps_are_sums_by_bin_of_the_rows_and_of_every_draw() -> None:
    random = np.random.default_rng(6)
    scores, labels = random.permutation(np.linspace(0, 1, 200)), random.integers(0, 2, 200).astype(float)
    draw = UserBootstrap(random.integers(0, 20, 200), n=3)
    weights = np.column_stack([np.ones(200), draw.weights[draw.user]])
    np.testing.assert_allclose(draw.gaps(labels, scores), binned_gaps(labels, scores, weights), atol=1e-9)


def test_gaps_of_tied_scores_are_those_of_the_ece() -> None:
    random = np.random.default_rng(8)
    place = random.choice(5, 400, p=[0.5, 0.3, 0.1, 0.06, 0.04])
    scores = np.array([0.1, 0.2, 0.25, 0.3, 0.9])[place]
    labels = (random.random(400) < np.array([0.5, 0.0, 0.9, 0.1, 1.0])[place]).astype(float)  # gaps of both signs
    gaps = UserBootstrap(np.arange(400) % 40, n=2).gaps(labels, scores)[:, 0]
    assert np.abs(gaps).sum() / 400 == pytest.approx(metrics.ece(labels, scores), rel=1e-9)


@pytest.mark.parametrize(
    ("confidence", "expected"), [(0.95, (25.0, 975.0)), (0.9, (50.0, 950.0)), (0.5, (250.0, 750.0))]
)
def test_an_interval_leaves_out_equal_tails(confidence: float, expected: tuple[float, float]) -> None:
    draws = np.random.default_rng(0).permutation(np.arange(1001.0))
    assert interval(draws, confidence) == pytest.approx(expected)
    assert interval(np.r_[draws, np.full(50, np.nan)], confidence) == pytest.approx(expected)


def test_an_interval_is_of_95_percent() -> None:
    draws = np.arange(1001.0)
    assert interval(draws) == interval(draws, 0.95) != interval(draws, 0.9)


def test_about_37_percent_of_the_users_are_in_no_draw() -> None:
    weights = UserBootstrap(np.arange(2000), 20).weights
    assert (weights.sum(axis=0) == 2000).all()
    assert (weights == 0).mean() == pytest.approx(np.exp(-1), abs=0.01)


def test_auc_draws_count_weighted_pairs() -> None:
    random = np.random.default_rng(3)
    labels, scores = random.integers(0, 2, 80), random.integers(0, 12, 80) / 12
    user, weights = random.integers(0, 9, 80), random.integers(0, 4, (9, 6)).astype(np.float32)
    row = weights[user]
    pairs = (labels[:, None] == 1) & (labels == 0)
    order = np.where(scores[:, None] == scores, 0.5, scores[:, None] > scores) * pairs
    expected = np.einsum("id,jd,ij->d", row, row, order) / np.einsum("id,jd,ij->d", row, row, pairs)
    np.testing.assert_allclose(auc_draws.auc_draws(labels, scores, user, weights), expected, rtol=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_no_rows_are_no_number(metric: Metric) -> None:
    nothing = np.empty(0)
    assert np.isnan(UserBootstrap(nothing).point(metric, nothing, nothing))
    labels, scores, groups = sample()
    nobody = np.zeros(len(labels), dtype=bool)
    assert np.isnan(UserBootstrap(groups, n=3).draws(metric, labels, scores, nobody)).all()


def test_the_same_seed_draws_the_same_users() -> None:
    groups = sample()[2]
    assert (UserBootstrap(groups, 4, seed=3).weights == UserBootstrap(groups, 4, seed=3).weights).all()
    assert (UserBootstrap(groups, 4, seed=3).weights != UserBootstrap(groups, 4, seed=4).weights).any()
    with pytest.raises(ValueError, match="expected 600 labels"):
        UserBootstrap(groups).draws("auc", np.ones(3), np.ones(3))


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 9), st.integers(0, 4)), min_size=1, max_size=30))
@settings(max_examples=50, deadline=None)
def test_draws_do_not_depend_on_the_order_of_rows(rows: list[tuple[bool, int, int]]) -> None:
    labels, scores, groups = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    forward, backward = UserBootstrap(groups, n=4), UserBootstrap(groups[::-1], n=4)
    for metric in WITHOUT_ECE:
        found = forward.draws(metric, labels, scores / 10)
        np.testing.assert_allclose(found, backward.draws(metric, labels[::-1], scores[::-1] / 10), atol=1e-9)
    assert NDCG_AT == 5


def test_the_interval_holds_the_value_and_narrows_with_users() -> None:
    widths = []
    for rows, users in ((400, 40), (8000, 800)):
        labels, scores, groups = sample(rows, users)
        low, high = interval(UserBootstrap(groups, 100, seed=3).draws("auc", labels, scores))
        assert low < metrics.auc(labels, scores) < high
        widths.append(high - low)
    assert widths[1] < widths[0] / 2


@pytest.mark.parametrize(("metric", "better"), [("auc", 1), ("gauc", 1), ("log_loss", -1)])
def test_paired_draws_see_which_score_is_better(metric: Metric, better: int) -> None:
    labels, scores, groups = sample()
    noisy = np.clip(scores + np.random.default_rng(5).normal(0, 0.5, len(scores)), 0.01, 0.99)
    draw = UserBootstrap(groups, 50, seed=1)
    differences = draw.draws(metric, labels, scores) - draw.draws(metric, labels, noisy)
    assert (np.sign(differences) == better).all()


def test_no_draw_with_both_classes_has_no_interval() -> None:
    assert np.isnan(interval(UserBootstrap(np.zeros(3), 5).draws("auc", np.ones(3), np.ones(3)))).all()
    assert np.isnan(interval(np.empty(0))).all()


def test_auc_draws_count_more_than_2_to_the_24_rows_exactly() -> None:
    labels, scores = np.array([0.0, 1.0, 0.0]), np.array([0.1, 0.2, 0.3])
    weights = np.array([[2.0**24], [1.0], [1.0]], dtype=np.float32)
    assert auc_draws.auc_draws(labels, scores, np.arange(3), weights)[0] == 2**24 / (2**24 + 1)


def test_by_default_there_are_1000_draws_of_as_many_users_as_there_are() -> None:
    groups = np.array([7, 3, 9, 3])
    generator = np.random.default_rng(0)
    expected = [np.bincount(generator.integers(0, 3, 3), minlength=3) for _ in range(1000)]
    np.testing.assert_array_equal(UserBootstrap(groups).weights, np.transpose(expected))
    assert UserBootstrap(np.zeros(2), 4).weights.tolist() == [[1.0] * 4]


@pytest.mark.parametrize("metric", METRICS)
def test_without_users_there_are_no_draws(metric: Metric) -> None:
    nothing, nobody = np.empty(0), UserBootstrap(np.empty(0), 4)
    assert nobody.weights.shape == (0, 0)
    assert nobody.draws(metric, nothing, nothing).shape == (0,)
    assert nobody.columns(nothing.astype(int), nothing, nothing).shape == (2, 0)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("bad", [np.nan, 1.5])
def test_draws_of_what_is_not_defined_are_nan_one_each(metric: Metric, bad: float) -> None:
    labels, scores, groups = sample(rows=60, users=5)
    scores[0] = bad
    found = UserBootstrap(groups, 7).draws(metric, labels, scores)
    assert found.shape == (7,)
    assert np.isnan(found).all() == (np.isnan(bad) or metric in ("log_loss", "normalised_entropy", "ece"))


def test_draws_of_one_class_have_no_normalised_entropy() -> None:
    draw = UserBootstrap(np.arange(2), 20)
    found = draw.draws("normalised_entropy", np.array([0.0, 1.0]), np.array([0.3, 0.6]))
    both = (draw.weights == 1).all(axis=0)
    assert 0 < both.sum() < 20
    assert (np.isnan(found) == ~both).all()


@pytest.mark.parametrize("at_once", [1, 11, 1 << 22])
def test_sums_in_pieces_are_the_sums(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five users: one draw at a time, two, or all seven."""
    monkeypatch.setattr(bootstrap, "_AT_ONCE", at_once)
    draw = UserBootstrap(np.arange(5), 7)
    value = np.array([0.5, -1.0, 2.0, 4.0, 8.0])
    found = draw.sums(np.array([0, 1, 0, 2, 0]), np.arange(5), value, 4)
    weighted = draw.weights.astype(float) * value[:, None]
    np.testing.assert_allclose(found, [weighted[[0, 2, 4]].sum(0), weighted[1], weighted[3], np.zeros(7)])
