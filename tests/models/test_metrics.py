import numpy as np
import pandas as pd
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


def test_by_default_ece_has_15_bins_and_ndcg_10_places() -> None:
    labels, scores, groups = sample(rows=300, users=4)
    assert metrics.ece(labels, scores) == metrics.ece(labels, scores, 15)
    assert metrics.ece(labels, scores) not in (metrics.ece(labels, scores, 14), metrics.ece(labels, scores, 16))
    assert metrics.ndcg(labels, scores, groups) == metrics.ndcg(labels, scores, groups, 10)


def test_a_score_within_one_bin_is_no_part_of_its_own() -> None:
    """Seven rows in three bins of 3, 2 and 2: the second score's rows lie in the last two, the others in one each."""
    part, shares = metrics.score_bins(np.array([3, 3, 1]), 3)
    assert part.tolist() == [0, 3, 2]
    np.testing.assert_allclose(shares, np.array([[1, 0, 0, 0], [0, 1, 0, 2 / 3], [0, 0, 1, 1 / 3]]))
    part, shares = metrics.score_bins(np.array([1, 2, 4]), 3)
    assert part.tolist() == [0, 0, 3]
    np.testing.assert_allclose(shares, np.array([[1, 0, 0, 0], [0, 1, 0, 0.5], [0, 0, 1, 0.5]]))
    part, shares = metrics.score_bins(np.array([3, 1, 1, 2]), 3)
    assert (part.tolist(), shares.tolist()) == ([0, 1, 1, 2], np.eye(3).tolist())
    for rows in ([], [1]):
        part, shares = metrics.score_bins(np.array(rows, dtype=np.int64), 15)
        assert (part.tolist(), shares.tolist()) == ([0] * len(rows), [[1.0]])


def test_values_come_with_the_places_of_their_groups() -> None:
    """Of the groups a to d, b has no positive row and d no negative one."""
    groups = np.array(["d", "c", "a", "b", "c", "a", "b", "a"])
    labels = np.array([1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0])
    scores = np.array([0.5, 0.9, 0.8, 0.1, 0.2, 0.7, 0.3, 0.1])
    areas, sizes, places = metrics.group_aucs(labels, scores, groups)
    assert (areas.tolist(), sizes.tolist(), places.tolist()) == ([0.5, 0.0], [3, 2], [0, 2])
    values, places = metrics.group_ndcgs(labels, scores, groups, 1)
    assert (values.tolist(), places.tolist()) == ([1.0, 0.0, 1.0], [0, 2, 3])
    nothing = np.empty(0)
    assert [part.shape for part in metrics.group_aucs(nothing, nothing, nothing)] == [(0,)] * 3
    assert [part.shape for part in metrics.group_ndcgs(np.zeros(2), np.ones(2), np.ones(2), 3)] == [(0,)] * 2


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        (["h", None, "c", "a", "g", "b", "f", "h", "e", "d"], [7, 8, 2, 0, 6, 1, 5, 7, 4, 3]),
        ([float("nan"), "a", None, pd.NA, float("nan")], [1, 0, 1, 1, 1]),
        (["z", 2.5, 10, "y", 9, (1,), "x"], [5, 0, 1, 4, 2, 6, 3]),
        ([3, 1, 2, 1], [2, 0, 1, 0]),
    ],
)
def test_groups_are_numbered_in_order_and_missing_ones_come_last(groups: list[object], expected: list[int]) -> None:
    """Types without a common order are sorted by the type's name, then as text."""
    column = np.empty(len(groups), dtype=object)
    column[:] = groups
    assert metrics.group_places(column).tolist() == expected


def test_the_first_strange_label_is_named() -> None:
    with pytest.raises(ValueError, match=r"found 2$"):
        metrics.auc(np.array([0.0, 2.0, np.nan, 3.0]), np.zeros(4))


@pytest.mark.parametrize(
    ("values", "found"),
    [(["0.1", "0.2"], "expected numbers; found object"), ([{}, 1.0], "expected numbers; found something else: ")],
)
def test_objects_that_are_no_numbers_are_refused(values: list[object], found: str) -> None:
    with pytest.raises(ValueError, match=f"^scores: {found}"):
        metrics.auc(np.array([0.0, 1.0]), np.array(values, dtype=object))
