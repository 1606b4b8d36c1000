"""What judges values: the metrics of a ranking (8)."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.faults.fault import Broken, Fault, expect

_RANKINGS, _PROBABILITIES = ("auc", "gauc", "ndcg"), ("log_loss", "normalised_entropy", "ece")


def _metrics(folder: Path) -> str:
    """Rankings without a number, a class, an order or a row, through the points and the draws of every metric."""
    from models.bootstrap import POINT, UserBootstrap

    random = np.random.default_rng(8)
    scores = random.random(400).round(1)
    labels = (random.random(400) < scores).astype(float)
    groups = random.integers(0, 20, 400)
    order = random.permutation(400)
    bootstrap, mixed = UserBootstrap(groups, 5), UserBootstrap(groups[order], 5)
    tried = 0
    for name, metric in POINT.items():
        whole = metric(labels, scores, groups)
        for missing in (slice(None), slice(0, 1), slice(0, 200)):
            holed = scores.copy()
            holed[missing] = np.nan
            found = metric(labels, holed, groups)
            expect(math.isnan(found), f"NaN as the {name} of NaN scores", found)
            drawn = bootstrap.draws(name, labels, holed)
            expect(bool(np.isnan(drawn).all()), f"NaN as every draw of {name} of NaN scores", drawn)
        holed = np.where(np.arange(400) < 5, np.inf, scores)
        found, ranked = metric(labels, holed, groups), metric(labels, np.minimum(holed, 9), groups)
        if name in _PROBABILITIES:
            expect(math.isnan(found), f"NaN as the {name} of infinite probabilities", found)
        else:
            expect(found == ranked, f"{name} {ranked} where infinite scores rank first", found)
        again = metric(labels[order], scores[order], groups[order])
        expect(again == whole, f"{name} {whole} in every order of the rows", again)
        draws = bootstrap.draws(name, labels, scores), mixed.draws(name, labels[order], scores[order])
        expect(np.array_equal(*draws), f"the same draws of {name} in every order of the rows", draws)
        expect(math.isnan(metric(labels[:0], scores[:0], groups[:0])), f"NaN as the {name} of no rows", "a number")
        _refused(name, metric, labels, scores, groups)
        tried += 1
    one = np.ones(400)
    for name in ("auc", "gauc", "normalised_entropy"):
        found = POINT[name](one, scores, groups)
        expect(math.isnan(found), f"NaN as the {name} of one class", found)
    equal = [POINT[name](labels, one / 2, groups) for name in ("auc", "gauc")]
    expect(equal == [0.5, 0.5], "AUC and GAUC of one half where all scores are equal", equal)
    _kinds(POINT)
    return f"{tried} metrics: NaN, infinities, one class, equal scores, no rows, wrong input, every order of rows"


def _kinds(points: dict) -> None:
    """Types of scores and of groups."""
    labels = np.array([1.0, 0.0, 1.0, 0.0])
    for scores in (np.array([1, 0, 1, 0], np.uint8), np.array([True, False] * 2), np.array([1, 0, 1, 0], np.float32)):
        for name in _RANKINGS:
            found = points[name](labels, scores, np.array(["a", None, "a", None], dtype=object))
            right = 1.0 if name != "gauc" else math.nan
            same = found == right or (math.isnan(found) and math.isnan(right))
            expect(same, f"{name} {right} of {scores.dtype} scores", found)
    large = points["gauc"](labels, np.array([2**53 + 1, 2**53, 2**53 + 3, 2**53 + 2]), np.array(list("aabb")))
    expect(large == 1.0, "GAUC 1 of whole scores beyond 2^53", large)


def _refused(name: str, metric: Callable, labels: np.ndarray, scores: np.ndarray, groups: np.ndarray) -> None:
    """What is no such array is an error, never a number."""
    wrong = {
        "labels outside 0 and 1": (labels + 1, scores, groups),
        "arrays of unequal length": (labels, scores[1:], groups),
        "scores that are text": (labels, scores.astype(str), groups),
        "columns instead of flat arrays": (labels[:, None], scores[:, None], groups[:, None]),
    }
    for what, arrays in wrong.items():
        try:
            found = metric(*arrays)
        except ValueError:
            continue
        except Exception as error:
            raise Broken(f"expected a ValueError of {name} for {what}; found {error!r}") from error
        raise Broken(f"expected a ValueError of {name} for {what}; found {found}")


FAULTS = (Fault(8, "a metric is a number only where it is defined, and no order of rows changes it", _metrics),)
