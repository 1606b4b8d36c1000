"""The search: one LightGBM model per task, with parameters and rounds chosen on validation rows.

A short random search (Bergstra, Bengio 2012): one set of parameters chosen by hand, then random ones, each fitted on
the rows to learn from and stopped early on the validation rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from models import metrics
from models.cpus import usable_cpus
from models.trees.trees import TaskTrees

if TYPE_CHECKING:
    import lightgbm

TRIALS = 4
_ROUNDS, _PATIENCE = 2000, 60
_WITHOUT_VALIDATION = 100
"""Rounds where the validation rows lack a class."""
_FIXED = {
    "objective": "binary",
    "metric": "auc",
    "bagging_freq": 1,
    "cat_smooth": 20.0,
    "max_bin": 127,
    "verbosity": -1,
    "deterministic": True,
    "force_row_wise": True,
    "feature_pre_filter": False,  # one dataset serves trials with different ``min_data_in_leaf``
}
# Many columns are nearly redundant, and splits should not always use the same one. Few columns per tree and many small
# steps matter more than all other parameters below.
_BY_HAND = {
    "learning_rate": 0.03,
    "num_leaves": 31,
    "min_data_in_leaf": 100,
    "feature_fraction": 0.25,
    "bagging_fraction": 0.8,
    "lambda_l2": 5.0,
    "path_smooth": 0.0,
}
_CHOICES = {
    "learning_rate": (0.03, 0.04),
    "num_leaves": (15, 23, 31, 47),
    "min_data_in_leaf": (50, 100, 200, 400),
    "feature_fraction": (0.15, 0.2, 0.25, 0.3, 0.4),
    "bagging_fraction": (0.6, 0.7, 0.8, 0.9),
    "lambda_l2": (1.0, 5.0, 20.0, 50.0),
    "path_smooth": (0.0, 10.0, 50.0),
}


@dataclass(frozen=True)
class TaskRows:
    """The rows on which a task is defined."""

    values: np.ndarray
    """(n, columns) float32."""
    labels: np.ndarray
    """(n,) float64, 0 or 1."""
    categories: Sequence[int]
    """Positions of the columns of codes."""

    @classmethod
    def of(cls, values: np.ndarray, labels: np.ndarray, categories: Sequence[int]) -> "TaskRows":
        """Those of ``values`` (rows, columns) whose ``labels`` (rows,) are not NaN."""
        known = ~np.isnan(labels)
        return cls(values[known], labels[known].astype(np.float64), categories)

    @property
    def both_classes(self) -> bool:
        """Whether there is anything to learn, or to validate with."""
        return bool(len(self.labels)) and bool(np.ptp(self.labels) > 0)

    @property
    def base_logit(self) -> float:
        """The logit of the share of positive rows, a little inside 0 and 1."""
        rate = (self.labels.sum() + 0.5) / (len(self.labels) + 1)
        return float(np.log(rate / (1 - rate)))

    def dataset(self, seed: int, reference: "lightgbm.Dataset | None" = None) -> "lightgbm.Dataset":
        """The rows in LightGBM's bins.

        Code 0 (missing) is a value of its own, and a code that no row to learn from had goes to the side of a split
        that does not list it.
        """
        import lightgbm

        given = {"categorical_feature": list(self.categories), "params": _all({}, seed), "free_raw_data": False}
        return lightgbm.Dataset(self.values, self.labels, reference=reference, **given)


@dataclass(frozen=True)
class Found:
    """What a search found for one task."""

    parameters: dict[str, float]
    rounds: int
    logits: np.ndarray
    """(rows,) float64 of ALL validation rows, also those where the task is undefined, by the best trial's trees."""
    trials: list[dict[str, Any]]


def search(learn: TaskRows, validation: TaskRows, every: np.ndarray, seed: int, trials: int = TRIALS) -> Found:
    """Try ``trials`` sets of parameters. ``every`` (rows, columns): all validation rows.

    Without both classes to learn from: no parameters, and a constant.
    """
    if not learn.both_classes:
        return Found({}, 0, np.full(len(every), learn.base_logit), [])
    dataset = learn.dataset(seed)
    held_out = validation.dataset(seed, dataset) if validation.both_classes else None
    found: list[tuple[dict[str, Any], lightgbm.Booster]] = []
    for parameters in _parameters(seed, trials):
        booster, rounds = _stopped_early(_all(parameters, seed), dataset, held_out)
        auc = metrics.auc(validation.labels, raw_logits(booster, validation.values, rounds))
        known = None if np.isnan(auc) else float(auc)
        found.append(({"parameters": parameters, "rounds": rounds, "validate_auc": known}, booster))
    # Of equal trials the first wins: the sort is stable.
    found.sort(key=lambda trial: -(trial[0]["validate_auc"] or 0.0))
    (best, booster), told = found[0], [trial for trial, _ in found]
    return Found(best["parameters"], best["rounds"], raw_logits(booster, every, best["rounds"]), told)


def fit_rounds(rows: TaskRows, parameters: dict[str, float], rounds: int, seed: int) -> TaskTrees:
    """Fit trees with chosen parameters and rounds; a constant where the rows have one class, or nothing was chosen."""
    import lightgbm

    if not parameters or not rows.both_classes:
        return TaskTrees("", rows.base_logit, parameters, rounds)
    booster = lightgbm.train(_all(parameters, seed), rows.dataset(seed), rounds)
    text, end, _ = booster.model_to_string().partition("end of trees\n")
    return TaskTrees(text + end, 0.0, parameters, rounds)


def raw_logits(booster: "lightgbm.Booster", values: np.ndarray, rounds: int) -> np.ndarray:
    """Logits (n,) float64 of rows (n, columns)."""
    if not len(values):  # LightGBM refuses to score no rows
        return np.zeros(0)
    return np.asarray(booster.predict(values, raw_score=True, num_iteration=rounds), dtype=np.float64)


def _parameters(seed: int, trials: int) -> list[dict[str, float]]:
    random = np.random.default_rng(seed)
    drawn = [
        {name: random.choice(np.asarray(values)).item() for name, values in _CHOICES.items()} for _ in range(trials - 1)
    ]
    return [_BY_HAND, *drawn]


def _stopped_early(
    parameters: dict[str, Any], learn: "lightgbm.Dataset", held_out: "lightgbm.Dataset | None"
) -> tuple["lightgbm.Booster", int]:
    """One trial, and its rounds."""
    import lightgbm

    if held_out is None:
        return lightgbm.train(parameters, learn, _WITHOUT_VALIDATION), _WITHOUT_VALIDATION
    stop = lightgbm.early_stopping(_PATIENCE, verbose=False)
    booster = lightgbm.train(parameters, learn, _ROUNDS, valid_sets=[held_out], callbacks=[stop])
    return booster, booster.best_iteration if booster.best_iteration > 0 else _ROUNDS


def _all(parameters: dict[str, float], seed: int) -> dict[str, Any]:
    # This seed determines sampled rows and columns; `deterministic` makes sums independent of threads.
    return {**_FIXED, **parameters, "seed": seed, "num_threads": usable_cpus()}
