"""LightGBM as a newcomer runs it: its default parameters on the product's columns, stopped early on validation."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from models.baselines.table import Table, table_of
from models.configs.training import TrainingConfig
from models.graph.store import TemporalGraph
from models.training.batches import FRESH, FROZEN, MemberState
from models.training.labels import known, labelled

if TYPE_CHECKING:
    import lightgbm

PLAIN = "plain trees"
"""The name of this baseline in a row."""
_ROUNDS, _PATIENCE = 2_000, 50


@dataclass
class PlainTrees:
    """One booster per task, or the rate of its labels where they are all alike."""

    boosters: "list[lightgbm.Booster | float]"

    def predict(self, graph: TemporalGraph, rows: Tensor, state: MemberState = "as_of") -> np.ndarray:
        """Probabilities (n, tasks) float64 of the seeds ``rows`` (n,) of the graph it was fitted on."""
        seen = torch.full((len(rows),), FROZEN if state == "frozen" else FRESH)
        values = table_of(graph.to("cpu"), rows.cpu(), seen).values.numpy()
        found = [
            np.full(len(rows), one) if isinstance(one, float) or not len(rows) else one.predict(values)
            for one in self.boosters
        ]
        return np.stack(found, axis=1)


def fit_plain(graph: TemporalGraph, training: TrainingConfig) -> PlainTrees:
    """Choose the rounds on validate, then fit on train and validate; everything as of the impression.

    Of ``training`` only the seed is read. Raises NoSeedsError.
    """
    graph = graph.to("cpu")
    both, validate = labelled(graph, ("train", "validate")), known(graph, ("validate",))
    train = labelled(graph, ("train",))
    tables = [table_of(graph, rows, torch.full((len(rows),), FRESH)) for rows in (train, validate, both)]
    labels = [graph.seeds.labels[rows].double().numpy() for rows in (train, validate, both)]
    parameters = {"objective": "binary", "verbosity": -1, "deterministic": True, "force_row_wise": True}
    parameters["seed"] = training.seed
    return PlainTrees(
        [_booster(tables, [label[:, place] for label in labels], parameters) for place in range(labels[0].shape[1])]
    )


def _booster(
    tables: list[Table], labels: list[np.ndarray], parameters: dict[str, object]
) -> "lightgbm.Booster | float":
    """Fit one task on train, validate and both, in this order; a label may be NaN."""
    import lightgbm

    defined = [~np.isnan(label) for label in labels]
    if any(not len(label[rows]) or np.ptp(label[rows]) == 0 for label, rows in zip(labels, defined, strict=True)):
        return float(np.nanmean(labels[2])) if defined[2].any() else 0.0
    train, validate, both = (
        lightgbm.Dataset(table.values[rows].numpy(), label[rows], categorical_feature=list(table.categories))
        for table, label, rows in zip(tables, labels, map(torch.from_numpy, defined), strict=True)
    )
    stop = lightgbm.early_stopping(_PATIENCE, verbose=False)
    chosen = lightgbm.train(parameters, train, _ROUNDS, valid_sets=[validate.set_reference(train)], callbacks=[stop])
    return lightgbm.train(parameters, both, max(chosen.best_iteration, 1))
