import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import metrics
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


def test_many_distinct_scores_cost_less_than_the_fifth_digit() -> None:
    random = np.random.default_rng(0)
    scores = random.random(30_000)
    labels = (random.random(30_000) < scores).astype(float)
    draw = UserBootstrap(np.arange(30_000), n=1)
    rows = np.repeat(np.arange(30_000), draw.weights[:, 0].astype(int))
    assert draw.draws("auc", labels, scores)[0] == pytest.approx(metrics.auc(labels[rows], scores[rows]), abs=5e-6)


def test_ece_lies_around_its_value_and_never_below_zero() -> None:
    labels, scores, groups = sample(rows=6000, users=600)
    draw = UserBootstrap(groups, n=200)
    found = draw.draws("ece", labels, np.clip(scores + 0.1, 0, 1))
    assert found.mean() == pytest.approx(draw.point("ece", labels, np.clip(scores + 0.1, 0, 1)), abs=1e-6)
    assert (draw.draws("ece", labels, scores) >= 0).all()


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
