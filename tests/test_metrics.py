import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import log_loss as sklearn_log_loss
from sklearn.metrics import ndcg_score, roc_auc_score

from models import metrics


def sample(rows: int = 4000, users: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    groups = generator.integers(0, users, rows)
    scores = np.round(generator.random(rows), 2)  # rounded: with ties
    labels = (generator.random(rows) < 0.2 + 0.5 * scores).astype(float)
    return labels, scores, groups


def test_auc_equals_scikit_learn_with_ties() -> None:
    labels, scores, _ = sample()
    assert metrics.auc(labels, scores) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


def test_gauc_equals_the_weighted_mean_of_each_users_auc() -> None:
    labels, scores, groups = sample()
    areas, sizes = [], []
    for user in np.unique(groups):
        rows = groups == user
        if 0 < labels[rows].sum() < rows.sum():
            areas.append(roc_auc_score(labels[rows], scores[rows]))
            sizes.append(rows.sum())
    assert metrics.gauc(labels, scores, groups) == pytest.approx(np.average(areas, weights=sizes), abs=1e-12)


def test_ndcg_equals_scikit_learn_with_ties() -> None:
    labels, scores, groups = sample(rows=600, users=40)
    users = [groups == user for user in np.unique(groups)]
    expected = [ndcg_score([labels[rows]], [scores[rows]], k=10) for rows in users if labels[rows].any()]
    assert metrics.ndcg(labels, scores, groups) == pytest.approx(np.mean(expected), abs=1e-9)


def test_log_loss_and_normalised_entropy() -> None:
    labels, scores, _ = sample()
    assert metrics.log_loss(labels, scores) == pytest.approx(sklearn_log_loss(labels, np.clip(scores, 1e-7, 1 - 1e-7)))
    assert metrics.normalised_entropy(labels, np.full(len(labels), labels.mean())) == pytest.approx(1.0)


def test_auc_is_the_share_of_pairs_in_order() -> None:
    labels, scores, _ = sample(rows=300)
    above = scores[labels == 1][:, None] - scores[labels == 0][None, :]
    assert metrics.auc(labels, scores) == pytest.approx(((above > 0) + 0.5 * (above == 0)).mean(), abs=1e-12)


def test_normalised_entropy_is_the_loss_over_the_entropy_of_the_base_rate() -> None:
    labels, scores, _ = sample()
    p, rate = np.clip(scores, 1e-7, 1 - 1e-7), labels.mean()
    loss = -np.mean(labels * np.log(p) + (1 - labels) * np.log(1 - p))
    entropy = -(rate * np.log(rate) + (1 - rate) * np.log(1 - rate))
    assert metrics.normalised_entropy(labels, scores) == pytest.approx(loss / entropy, rel=1e-9)


@pytest.mark.parametrize("bins", [1, 7, 15])
def test_ece_is_the_mean_gap_of_bins_of_sorted_scores(bins: int) -> None:
    """Naeini et al. 2015 with bins of equally many rows: sum of |rows in bin * (mean label - mean score)| / rows."""
    generator = np.random.default_rng(2)
    scores = generator.permutation(np.linspace(0.01, 0.99, 1001))
    labels = (generator.random(1001) < scores**2).astype(float)
    parts = np.array_split(np.argsort(scores), bins)
    expected = sum(abs(labels[part].mean() - scores[part].mean()) * len(part) for part in parts) / 1001
    assert metrics.ece(labels, scores, bins) == pytest.approx(expected, rel=1e-12)


def test_ece_sees_gaps_that_cancel_over_all_rows() -> None:
    labels, scores = np.repeat([0.0, 1.0], 500), np.repeat([0.3, 0.7], 500)
    assert metrics.ece(labels, scores, 2) == pytest.approx(0.3, abs=1e-12)
    assert metrics.ece(labels, scores, 1) == pytest.approx(0.0, abs=1e-12)


def test_log_loss_clips_probabilities_to_1e_7() -> None:
    assert metrics.log_loss(np.array([1.0]), np.array([0.0])) == pytest.approx(-np.log(1e-7))
    assert metrics.log_loss(np.array([0.0]), np.array([1.0])) == pytest.approx(-np.log(1e-7))


def test_labels_shuffled_within_users_give_a_gauc_of_one_half() -> None:
    """The control: a score that is fixed before the window knows nothing of a user's own order."""
    labels, scores, groups = sample(rows=40_000, users=4000)
    generator = np.random.default_rng(1)
    order, shuffled = np.argsort(groups, kind="stable"), np.lexsort((generator.random(len(groups)), groups))
    mixed = np.empty_like(labels)
    mixed[order] = labels[shuffled]
    assert metrics.gauc(labels, scores, groups) > 0.6
    assert metrics.gauc(mixed, scores, groups) == pytest.approx(0.5, abs=0.01)


def test_a_score_that_is_constant_within_users_gives_a_gauc_of_exactly_one_half() -> None:
    labels, _, groups = sample()
    assert metrics.gauc(labels, np.sin(groups), groups) == 0.5


@pytest.mark.parametrize("labels", [[], [1.0, 1.0], [0.0], [np.nan, np.nan]])
def test_undefined_is_nan(labels: list[float]) -> None:
    found, scores = np.array(labels), np.full(len(labels), 0.5)
    groups = np.zeros(len(labels), dtype=np.int64)
    assert np.isnan(metrics.auc(found, scores))
    assert np.isnan(metrics.gauc(found, scores, groups))
    assert np.isnan(metrics.normalised_entropy(found, scores))


def test_empty_input_has_no_metric() -> None:
    empty = np.empty(0)
    assert np.isnan(
        [metrics.ece(empty, empty), metrics.log_loss(empty, empty), metrics.ndcg(empty, empty, empty)]
    ).all()


def test_rows_without_a_label_are_left_out() -> None:
    labels, scores, groups = sample()
    masked = labels.copy()
    masked[::3] = np.nan
    kept = ~np.isnan(masked)
    assert metrics.auc(masked, scores) == metrics.auc(labels[kept], scores[kept])
    assert metrics.gauc(masked, scores, groups) == metrics.gauc(labels[kept], scores[kept], groups[kept])


def test_unequal_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="one length"):
        metrics.auc(np.zeros(3), np.zeros(2))


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5), st.integers(0, 3)), min_size=1, max_size=40))
@settings(max_examples=100, deadline=None)
def test_metrics_do_not_depend_on_the_order_of_rows(rows: list[tuple[bool, int, int]]) -> None:
    labels, scores, groups = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    flipped = (labels[::-1], scores[::-1], groups[::-1])
    for metric in (metrics.gauc, metrics.ndcg):
        np.testing.assert_allclose(metric(labels, scores, groups), metric(*flipped), atol=1e-12)
    np.testing.assert_allclose(metrics.auc(labels, scores), metrics.auc(labels[::-1], scores[::-1]), atol=1e-12)
