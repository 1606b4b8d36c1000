"""Tuned gradient-boosted trees: one LightGBM model per task, with parameters and rounds chosen on validate.

A short random search (Bergstra, Bengio 2012): one set of parameters chosen by hand, then random ones, each fitted on
train and stopped early on validate. The best parameters and rounds are fitted again on both windows. The calibration
is that of the best trial on validate.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from models import metrics
from models.baselines.table import Table, table_of
from models.configs.training import TrainingConfig
from models.graph.store import TemporalGraph
from models.training.batches import FRESH, FROZEN, MemberState, draw_member_states
from models.training.calibration import Platt, fit_platt
from models.training.labels import known, labelled

if TYPE_CHECKING:
    import lightgbm

TRIALS = 4
_ROUNDS, _PATIENCE = 2000, 60
_FIXED = {
    "objective": "binary",
    "metric": "auc",
    "bagging_freq": 1,
    "cat_smooth": 20.0,
    "max_bin": 127,
    "verbosity": -1,
    "deterministic": True,
    "force_row_wise": True,
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


@dataclass
class TreesOfTask:
    """One task: its booster (None if the training rows have only one class) and its calibration."""

    booster: "lightgbm.Booster | None"
    platt: Platt
    trials: list[dict[str, Any]] = field(default_factory=list)
    """Parameters, rounds and validation AUC, best first."""

    def predict(self, values: np.ndarray) -> np.ndarray:
        """Calibrated probabilities (n,) float64 of rows (n, columns)."""
        return self.platt.apply(_logits(self.booster, values))


@dataclass
class TunedTrees:
    """Fitted trees of all tasks, in the order of the schema."""

    tasks: dict[str, TreesOfTask]

    def predict(self, graph: TemporalGraph, rows: Tensor, state: MemberState = "as_of") -> np.ndarray:
        """Calibrated probabilities (n, tasks) float64 of the seeds ``rows`` (n,) of the graph it was fitted on."""
        seen = torch.full((len(rows),), FROZEN if state == "frozen" else FRESH)
        values = table_of(graph.to("cpu"), rows.cpu(), seen).values.numpy()
        return np.stack([trees.predict(values) for trees in self.tasks.values()], axis=1)


def fit_trees(
    graph: TemporalGraph, training: TrainingConfig, device: torch.device | None = None, trials: int = TRIALS
) -> TunedTrees:
    """Search, then fit on train and validate; the same ``training.seed`` gives the same trees.

    ``training.state`` is the state of the member in training rows (mixed: half of the rows fresh, a quarter with the
    member's features and another quarter with its counters too as of ``frozen_time``). ``trials``: sets of parameters
    to try per task. Fitted on the CPU, whatever ``device`` is. Raises NoSeedsError.
    """
    graph = graph.to("cpu")
    both, validate = labelled(graph, ("train", "validate")), known(graph, ("validate",))
    train = torch.isin(both, labelled(graph, ("train",)))
    generator = torch.Generator().manual_seed(training.seed)
    drawn = draw_member_states(len(both), training.state, torch.device("cpu"), generator)
    table = table_of(graph, both, drawn)
    validation_state = FROZEN if training.state == "frozen" else FRESH  # the state the fit is trained for
    validation = table_of(graph, validate, torch.full((len(validate),), validation_state))
    fitted = {}
    for place, task in enumerate(graph.schema.seeds.tasks):
        labels, all_rows = graph.seeds.labels[both, place], torch.ones_like(train)
        held_out = _Rows.of(
            validation, graph.seeds.labels[validate, place], torch.ones(len(validate), dtype=torch.bool)
        )
        search = _Search(_Rows.of(table, labels, train), held_out, training.seed)
        fitted[task.name] = search.fit(_Rows.of(table, labels, all_rows), trials)
    return TunedTrees(fitted)


@dataclass
class _Rows:
    """The rows of a table on which a task is defined: values (n, columns), labels (n,)."""

    values: np.ndarray
    labels: np.ndarray
    categories: list[int]

    @classmethod
    def of(cls, table: Table, labels: Tensor, chosen: Tensor) -> "_Rows":
        """``labels`` (rows,) with NaN = undefined; ``chosen`` (rows,) bool: which rows may be used."""
        rows = chosen & ~torch.isnan(labels)
        return cls(table.values[rows].numpy(), labels[rows].double().numpy(), list(table.categories))

    @property
    def both_classes(self) -> bool:
        """Whether there is anything to learn, or to validate with."""
        return bool(len(self.labels)) and bool(np.ptp(self.labels) > 0)

    def dataset(self, reference: "lightgbm.Dataset | None" = None) -> "lightgbm.Dataset":
        """A new LightGBM dataset; its bins depend on the parameters it is trained with, so use it once.

        Category columns are declared as such, with the graph's codes: 0 (missing) is a separate value, and a code that
        no training row had goes to the side of a split that does not list it.
        """
        import lightgbm

        return lightgbm.Dataset(self.values, self.labels, reference=reference, categorical_feature=self.categories)


@dataclass
class _Search:
    """The search for one task's parameters."""

    learn: _Rows
    validation: _Rows
    seed: int

    def fit(self, both: _Rows, trials: int) -> TreesOfTask:
        """Fit the best trial's parameters on ``both`` windows."""
        import lightgbm

        if not both.both_classes or not self.learn.both_classes:
            rate = (both.labels.sum() + 0.5) / (len(both.labels) + 1)
            return TreesOfTask(None, Platt(1.0, float(np.log(rate / (1 - rate)))))
        found = [self._try(parameters) for parameters in self._parameters(trials)]
        # Of equal trials the first wins: the sort is stable.
        found.sort(key=lambda trial: -np.nan_to_num(trial["validate_auc"]))
        best = found[0]
        platt = fit_platt(best.pop("logits"), self.validation.labels)
        for trial in found[1:]:
            trial.pop("logits")
        booster = lightgbm.train(self._all(best["parameters"]), both.dataset(), best["rounds"])
        return TreesOfTask(booster, platt, found)

    def _parameters(self, trials: int) -> list[dict[str, float]]:
        random = np.random.default_rng(self.seed)
        drawn = [
            {name: random.choice(np.asarray(values)).item() for name, values in _CHOICES.items()}
            for _ in range(trials - 1)
        ]
        return [_BY_HAND, *drawn]

    def _try(self, parameters: dict[str, float]) -> dict[str, Any]:
        """One trial: fitted on train with early stopping on validate (100 rounds if validate lacks a class)."""
        import lightgbm

        learn = self.learn.dataset()
        given, rounds = self._all(parameters), 100
        datasets, callbacks = [], []
        if self.validation.both_classes:
            rounds, datasets = _ROUNDS, [self.validation.dataset(learn)]
            callbacks = [lightgbm.early_stopping(_PATIENCE, verbose=False)]
        booster = lightgbm.train(given, learn, rounds, valid_sets=datasets, callbacks=callbacks)
        booster.best_iteration = booster.best_iteration if booster.best_iteration > 0 else rounds
        logits = _logits(booster, self.validation.values)
        return {
            "parameters": parameters,
            "rounds": booster.best_iteration,
            "validate_auc": metrics.auc(self.validation.labels, logits),
            "logits": logits,
        }

    def _all(self, parameters: dict[str, float]) -> dict[str, Any]:
        # This seed determines sampled rows and columns; `deterministic` makes sums independent of threads.
        return {**_FIXED, **parameters, "seed": self.seed}


def _logits(booster: "lightgbm.Booster | None", values: np.ndarray) -> np.ndarray:
    """Logits (n,) float64 of rows (n, columns); zeros without a booster."""
    if booster is None or not len(values):  # LightGBM refuses to score no rows
        return np.zeros(len(values))
    return np.asarray(booster.predict(values, raw_score=True), dtype=np.float64)
