"""Trees on counters and context alone, without a graph: one LightGBM per task, a reference of studies and tests.

The gate's floor is ``models.baselines.tuned_trees``, on all features.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from models.baselines.errors import FloorError
from models.columns import LOCAL_HOUR
from models.cpus import usable_cpus
from models.features import impression_features
from models.filters import mask, settled
from models.spec import Spec

if TYPE_CHECKING:
    import lightgbm

_ROUNDS = 600
_PATIENCE = 40
_PARAMETERS = {
    "objective": "binary",
    "metric": "auc",
    "learning_rate": 0.05,
    "num_leaves": 31,
    "min_data_in_leaf": 100,
    "feature_fraction": 0.8,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "cat_smooth": 20.0,
    "verbosity": -1,
    "deterministic": True,
    "force_row_wise": True,
}


@dataclass
class Floor:
    """Fitted trees, one model per task; a task with training rows of one class only has its rate instead."""

    spec: Spec
    vocabularies: dict[str, tuple[str, ...]]
    models: dict[str, "lightgbm.Booster | float"]

    def predict(self, frame: pd.DataFrame) -> dict[str, np.ndarray]:
        """Probabilities (rows,) float64 by task, for rows with the columns of a training set. Raises FloorError."""
        inputs = _inputs(self.spec, frame, self.vocabularies)
        return {task: _probabilities(model, inputs) for task, model in self.models.items()}


def fit_floor(frame: pd.DataFrame, spec: Spec, seed: int = 7, threads: int | None = None) -> Floor:
    """Fit on the rows whose ``window`` is train, with early stopping on validate; the same seed gives the same trees.

    ``frame`` has the columns of a training set (docs/architecture.md); ``threads`` None = all cores. Raises FloorError.
    """
    import lightgbm

    if "window" not in frame or not (frame["window"] == "train").any():
        raise FloorError("training set: expected rows whose `window` is train; found none: check the spec's windows")
    train = frame[frame["window"] == "train"]
    vocabularies = {name: _vocabulary(train[name]) for name in _categories(spec) if name in train}
    inputs = _inputs(spec, frame, vocabularies)
    # The seed alone determines sampled rows and columns; `deterministic` makes sums independent of threads.
    parameters = {**_PARAMETERS, "seed": seed, "num_threads": threads or usable_cpus()}
    models: dict[str, Any] = {}
    for name in spec.tasks:
        labels = _labels(spec, frame, name)
        rows = (frame["window"] == "train").to_numpy() & ~np.isnan(labels)
        held = (frame["window"] == "validate").to_numpy() & ~np.isnan(labels)
        if not rows.any() or np.ptp(labels[rows]) == 0:
            models[name] = float(labels[rows].mean()) if rows.any() else 0.0
            continue
        fitted = lightgbm.Dataset(inputs[rows], labels[rows], categorical_feature=_categories(spec))
        validation, callbacks = [], []
        if held.any() and np.ptp(labels[held]) > 0:
            validation = [lightgbm.Dataset(inputs[held], labels[held], reference=fitted)]
            callbacks = [lightgbm.early_stopping(_PATIENCE, verbose=False)]
        models[name] = lightgbm.train(parameters, fitted, _ROUNDS, valid_sets=validation, callbacks=callbacks)
    return Floor(spec, vocabularies, models)


def _probabilities(model: "lightgbm.Booster | float", inputs: pd.DataFrame) -> np.ndarray:
    if isinstance(model, float) or inputs.empty:  # LightGBM refuses to score no rows
        return np.full(len(inputs), model if isinstance(model, float) else 0.0)
    return np.asarray(model.predict(inputs, num_iteration=model.best_iteration), dtype=np.float64)


def _categories(spec: Spec) -> list[str]:
    names = [feature.name for feature in impression_features(spec) if feature.kind == "category"]
    return [*names, spec.impressions.surface]


def _vocabulary(column: pd.Series) -> tuple[str, ...]:
    return tuple(sorted(column.dropna().astype(str).unique()))


def _inputs(spec: Spec, frame: pd.DataFrame, vocabularies: dict[str, tuple[str, ...]]) -> pd.DataFrame:
    """Features, surface and local hour; categories as codes in the training vocabulary, -1 = missing or unknown."""
    features = impression_features(spec)
    needed = [feature.name for feature in features] + [spec.impressions.surface, spec.impressions.time]
    missing = [name for name in needed if name not in frame]
    if missing:
        raise FloorError(
            f"training set: expected the columns {', '.join(missing)}; found none: retrieve it with the same spec"
        )
    columns = {f.name: frame[f.name].astype("float32") for f in features if f.kind == "number"}
    for name, values in vocabularies.items():
        codes = pd.Categorical(frame[name].astype(str).where(frame[name].notna()), categories=list(values)).codes
        columns[name] = pd.Series(codes.astype("int32"), index=frame.index)
    columns[LOCAL_HOUR] = frame[spec.impressions.time].dt.tz_convert(spec.zone).dt.hour.astype("float32")
    return pd.DataFrame(columns, index=frame.index)


def _labels(spec: Spec, frame: pd.DataFrame, name: str) -> np.ndarray:
    """Labels (rows,) float64, 0 or 1; NaN where the task is undefined or had not settled in time."""
    task = spec.tasks[name]
    labels = frame[task.label].to_numpy(dtype=np.float64, na_value=np.nan).copy()
    labels[~mask(frame, task.filter) | ~settled(spec, frame)] = np.nan
    return labels
