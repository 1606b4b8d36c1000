"""The plain mean unless the validation rows say otherwise."""

import numpy as np

from models.boosting.weight import MEAN
from models.boosting.weight import fit_weight as weight_by_member


def fit_weight(network: np.ndarray, trees: np.ndarray, labels: np.ndarray, rows_each: int = 1) -> float:
    """The weight where every member has so many rows."""
    return weight_by_member(network, trees, labels, np.arange(len(labels)) // rows_each)


def _logits(rows: int, noise: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits of a part that reads the truth, logits of one that reads it through noise, and labels."""
    random = np.random.default_rng(seed)
    truth = random.normal(size=rows)
    labels = (random.random(rows) < 1 / (1 + np.exp(-truth))).astype(np.float64)
    return truth, truth + random.normal(scale=noise, size=rows), labels


def test_two_parts_that_are_as_good_share_alike() -> None:
    random = np.random.default_rng(1)
    truth, _, labels = _logits(20_000, 0.0, 2)
    network, trees = (truth + random.normal(size=len(truth)) for _ in range(2))
    assert fit_weight(network, trees, labels) == MEAN


def test_a_part_that_knows_much_less_loses_its_say() -> None:
    truth, noise, labels = _logits(20_000, 5.0, 3)
    assert fit_weight(truth, noise, labels) <= 0.1
    assert fit_weight(noise, truth, labels) >= 0.9


def test_few_rows_do_not_move_it_far() -> None:
    truth, noise, labels = _logits(20_000, 1.0, 4)
    few = np.arange(60)
    assert abs(fit_weight(truth[few], noise[few], labels[few]) - MEAN) < abs(fit_weight(truth, noise, labels) - MEAN)


def test_rows_of_one_class_and_undefined_ones_say_nothing() -> None:
    truth, noise, labels = _logits(2_000, 5.0, 5)
    assert fit_weight(truth[:0], noise[:0], labels[:0]) == MEAN
    assert fit_weight(truth, noise, np.ones(len(labels))) == MEAN
    undefined = np.append(labels, [np.nan])
    assert fit_weight(np.append(truth, 1e9), np.append(noise, 0.0), undefined) == fit_weight(truth, noise, labels)


def test_rows_of_few_members_count_as_few() -> None:
    truth, noise, labels = _logits(300, 1.0, 6)
    alone, copied = fit_weight(truth, noise, labels), [np.repeat(part, 400) for part in (truth, noise, labels)]
    assert fit_weight(*copied, rows_each=400) == alone
    assert fit_weight(*copied) < alone
