"""Checks of values: the quality gate and the drift monitor (4), ranking metrics (8)."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.faults.fault import Broken, Fault, expect

_UNTIL = 1_767_225_600_000_000
_RANKINGS, _PROBABILITIES = ("auc", "gauc", "ndcg"), ("log_loss", "normalised_entropy", "ece")


def _columns() -> dict[str, tuple]:
    """Columns before and after, 4,000 rows each, that become constant."""
    random = np.random.default_rng(4)
    noise, place = random.normal(size=4000), np.arange(4000)
    return {
        "1, then 0": (np.ones(4000), np.zeros(4000)),
        "a flag of 95 % ones, then 0": ((place >= 200) * 1.0, np.zeros(4000)),
        "92 % fives, then uniform": (np.where(place < 3680, 5.0, 1.0), random.random(4000) * 10),
        "noise, then one value": (noise, np.full(4000, 0.1)),
        "one value, then noise": (np.ones(4000), 1 + noise),
        "ten values, then one more": (place % 10.0, place % 10.0 + 1),
        "another unit": (np.exp(noise), np.exp(noise) * 1000),
        "a third infinite": (noise, np.where(place % 3 == 0, np.inf, noise)),
        "half missing": (noise, np.where(place % 2 == 0, np.nan, noise)),
        "2^53, then 2^53 + 1": (np.full(4000, 2**53), np.full(4000, 2**53 + 1)),
        "a category, then nothing": (
            np.where(place % 2, "a", "b").astype(object),
            np.array(["a"] * 200 + [None] * 3800, dtype=object),
        ),
        "a category in another case": (np.where(place % 2, "a", "b").astype(object), np.where(place % 2, "A", "b")),
        "a new category": (np.where(place % 2, "a", "b").astype(object), np.where(place < 400, "a", "new")),
        "4,000 keys, then one": (place.astype(str), np.full(4000, "7")),
    }


def _small() -> dict[str, tuple]:
    """Small shares that change: for the monitor only, since the gate's bound is on the whole column."""
    place, noise = np.arange(4000), np.random.default_rng(5).normal(size=4000)
    return {
        "a flag of 1 %, then 3 %": ((place < 40) * 1.0, (place < 120) * 1.0),
        "a flag of 2 %, then 0": ((place < 80) * 1.0, np.zeros(4000)),
        "a rare category, then none": (np.where(place < 80, "rare", "a"), np.full(4000, "a")),
        "2 % missing": (noise, np.where(place < 80, np.nan, noise)),
        "2 % infinite": (noise, np.where(place < 80, -np.inf, noise)),
    }


def _dying(folder: Path) -> str:
    """The gate as ``materialize`` calls it, then the monitor's summary with one such column among four good ones."""
    import pandas as pd
    import pyarrow as pa

    from feature_repo.quality import check, profile
    from models.spec import Feature
    from models.spec.expectations import CheckedView, Expectation
    from monitoring.drift import drift

    expected = CheckedView(expectations={"value": Expectation(drift=0.1)})

    def refused(before: np.ndarray, now: np.ndarray) -> bool:
        tables = [pa.table({"value": pa.array(side), "time": pa.array([0] * len(side))}) for side in (before, now)]
        known = json.loads(json.dumps(profile(tables[0], ["value"]), allow_nan=False))
        return bool(check("view", expected, tables[1], "time", known, _UNTIL))

    columns = _columns()
    passed = [name for name, sides in columns.items() if not refused(*sides)]
    expect(not passed, "the gate to refuse every dying column", f"passed: {passed}")
    random = np.random.default_rng(6)
    for rows in (50, 200, 2000):
        draws = [(random.normal(size=2 * rows), random.integers(0, 15, 2 * rows).astype(str)) for _ in range(100)]
        wrong = [refused(draw[:rows], draw[rows:]) for pair in draws for draw in pair]
        expect(sum(wrong) <= 2, f"at most 2 of 200 other draws of {rows} rows refused", sum(wrong))
    random = np.random.default_rng(7)
    everything = columns | _small()
    good = {f"good {place}": (random.normal(size=4000), random.normal(size=4000)) for place in range(4)}
    frames = [
        pd.DataFrame({name: pd.Series(sides[place]) for name, sides in (everything | good).items()}) for place in (0, 1)
    ]
    features = [
        Feature(name, "number" if frames[0][name].dtype.kind in "fi" else "category", 1) for name in everything | good
    ]
    drifted = drift(frames[0], frames[1], features, folder)["drifted"]
    healthy = [name for name in everything if name not in drifted]
    expect(not healthy, "the monitor to find every dying column", f"stable: {healthy}")
    expect(len(drifted) == len(everything), "the good columns to be stable", drifted)
    some = [feature for feature in features if feature.name in [*good, "half missing"]]
    found = drift(frames[0], frames[1], some, folder)
    expect(found["status"] != "stable", "one dying column of five in the monitor's status", found["status"])
    return f"{len(columns)} dying columns refused and drifted, {len(_small())} small shares drifted, other draws kept"


def _metrics(folder: Path) -> str:
    """Rankings with NaN, a single class, ties or no rows, for the point estimate and the bootstrap of every metric."""
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
    """Invalid types of scores and of groups."""
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
    """An invalid array raises an error and never yields a number."""
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


FAULTS = (
    Fault(4, "a degenerating column is refused by the quality gate and reported by the drift monitor", _dying),
    Fault(8, "a metric is a number only where it is defined, and no order of rows changes it", _metrics),
)
