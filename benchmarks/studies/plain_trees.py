"""LightGBM as a newcomer runs it: its default parameters on the columns of the product's trees, stopped early."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from models.boosting.search import TaskRows
from models.configs.model import ModelConfig
from models.configs.training import TrainingConfig
from models.graph.store import TemporalGraph
from models.nn.encoding import Encoding
from models.training.batches import MemberState
from models.training.labels import known, labelled
from models.training.seed_values import SeedValues

if TYPE_CHECKING:
    import lightgbm

PLAIN = "plain trees"
"""The name of this baseline in a row."""
_ROUNDS, _PATIENCE = 2_000, 50


@dataclass
class PlainTrees:
    """One booster per task, or the rate of its labels where they are all alike."""

    boosters: "list[lightgbm.Booster | float]"
    encoding: Encoding

    def predict(self, graph: TemporalGraph, rows: Tensor, state: MemberState = "as_of") -> np.ndarray:
        """Probabilities (n, tasks) float64 of the seeds ``rows`` (n,) of the graph it was fitted on."""
        values = SeedValues(ModelConfig(), graph.schema, self.encoding, graph).of(rows, state)
        found = [
            np.full(len(rows), one) if isinstance(one, float) or not len(rows) else np.asarray(one.predict(values))
            for one in self.boosters
        ]
        return np.stack(found, axis=1)


def fit_plain(graph: TemporalGraph, training: TrainingConfig) -> PlainTrees:
    """Choose the rounds on validate, then fit on train and validate; everything as of the impression.

    Of ``training`` only the seed is read. Raises NoSeedsError.
    """
    graph = graph.to("cpu")
    encoding = Encoding.fit(graph, max(graph.schema.window(name).end for name in ("train", "validate")))
    source = SeedValues(ModelConfig(), graph.schema, encoding, graph)
    seeds = [labelled(graph, ("train",)), known(graph, ("validate",)), labelled(graph, ("train", "validate"))]
    values, labels = [source.of(rows) for rows in seeds], [graph.seeds.labels[rows].numpy() for rows in seeds]
    boosters = [
        _booster(
            [
                TaskRows.of(part, label[:, place], source.inputs.categories)
                for part, label in zip(values, labels, strict=True)
            ],
            training.seed,
        )
        for place in range(len(graph.schema.seeds.tasks))
    ]
    return PlainTrees(boosters, encoding)


def _booster(windows: list[TaskRows], seed: int) -> "lightgbm.Booster | float":
    """Fit one task on the rows of train, of validate, and of both."""
    import lightgbm

    both = windows[-1]
    if not all(rows.both_classes for rows in windows):
        return float(both.labels.mean()) if len(both.labels) else 0.0
    train, validate, everything = (
        lightgbm.Dataset(rows.values, rows.labels, categorical_feature=list(rows.categories)) for rows in windows
    )
    parameters = {"objective": "binary", "verbosity": -1, "deterministic": True, "force_row_wise": True, "seed": seed}
    stop = lightgbm.early_stopping(_PATIENCE, verbose=False)
    chosen = lightgbm.train(parameters, train, _ROUNDS, valid_sets=[validate.set_reference(train)], callbacks=[stop])
    return lightgbm.train(parameters, everything, max(chosen.best_iteration, 1))
