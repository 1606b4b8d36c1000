import numpy as np
import pandas as pd
import pytest

from models import metrics
from models.baselines.errors import FloorError
from models.baselines.trees import fit_floor
from models.features import impression_features
from models.spec import Spec, load_spec


def frame(spec: Spec, rows: int = 1500, seed: int = 0) -> pd.DataFrame:
    """A training set's impressions in which the first two features foretell the first task."""
    random = np.random.default_rng(seed)
    columns: dict[str, object] = {}
    for feature in impression_features(spec):
        values = random.random(rows) if feature.kind == "number" else random.choice(["a", "b", None], rows)
        columns[feature.name] = values
    numbers = [feature.name for feature in impression_features(spec) if feature.kind == "number"]
    signal = columns[numbers[0]] + columns[numbers[1]]  # type: ignore[operator]
    for name in spec.impressions.outcomes:
        columns[name] = (random.random(rows) < np.clip(signal - 0.5, 0.05, 0.95)).astype(int)
    columns[spec.impressions.surface] = random.choice(spec.impressions.surfaces, rows)
    columns[spec.impressions.time] = pd.date_range("2026-04-01", periods=rows, freq="7min", tz="UTC")
    columns["window"] = random.choice(["train", "validate", "test"], rows, p=[0.6, 0.2, 0.2])
    return pd.DataFrame(columns)


SPEC = load_spec("configs/professional.yaml")


def test_the_floor_learns_and_is_deterministic() -> None:
    given = frame(SPEC)
    test = given[given["window"] == "test"]
    found, again = (fit_floor(given, SPEC, threads=1).predict(test) for _ in range(2))
    assert list(found) == list(SPEC.tasks)
    for task, scores in found.items():
        assert scores.shape == (len(test),)
        assert ((scores > 0) & (scores < 1)).all()
        np.testing.assert_array_equal(scores, again[task])
    assert metrics.auc(test[SPEC.tasks["click"].label].to_numpy(), found["click"]) > 0.65


def test_only_train_is_learned_from_and_validate_only_stops() -> None:
    given = frame(SPEC)
    changed = given.copy()
    changed.loc[changed["window"] == "test", list(SPEC.impressions.outcomes)] = 1
    rows = given[given["window"] == "test"]
    one, other = fit_floor(given, SPEC, threads=1).predict(rows), fit_floor(changed, SPEC, threads=1).predict(rows)
    np.testing.assert_array_equal(one["click"], other["click"])


def test_unknown_values_missing_values_and_no_rows_are_scored() -> None:
    given = frame(SPEC)
    floor = fit_floor(given, SPEC, threads=1)
    odd = given.head(3).copy()
    odd[SPEC.impressions.surface] = "billboard"
    for feature in impression_features(SPEC):
        odd[feature.name] = None
    assert np.isfinite(floor.predict(odd)["click"]).all()
    assert floor.predict(given.head(0))["click"].shape == (0,)


def test_a_task_of_one_class_has_its_rate() -> None:
    given = frame(SPEC, rows=300)
    given[SPEC.tasks["engage"].label] = 0
    assert (fit_floor(given, SPEC, threads=1).predict(given)["engage"] == 0).all()


def test_what_is_missing_is_named() -> None:
    given = frame(SPEC, rows=50)
    with pytest.raises(FloorError, match="`window` is train"):
        fit_floor(given.assign(window="test"), SPEC)
    with pytest.raises(FloorError, match=SPEC.impressions.surface):
        fit_floor(given.drop(columns=SPEC.impressions.surface), SPEC)
