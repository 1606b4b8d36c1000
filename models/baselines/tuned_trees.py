"""Tuned gradient-boosted trees alone: the product's trees (``models.trees``) on the same columns, without a network."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.boosting.fit import search_tasks
from models.boosting.search import TRIALS
from models.calibration import Calibration
from models.configs.model import ModelConfig
from models.configs.training import TrainingConfig
from models.graph.store import TemporalGraph
from models.nn.encoding import Encoding
from models.training.batches import MemberState
from models.training.labels import known
from models.training.seed_values import SeedValues
from models.trees.forest import Forest
from models.trees.trees import TaskTrees


@dataclass
class TunedTrees:
    """Fitted trees of all tasks, in the order of the schema."""

    tasks: dict[str, TaskTrees]
    calibration: Calibration
    encoding: Encoding

    def predict(self, graph: TemporalGraph, rows: Tensor, state: MemberState = "as_of") -> np.ndarray:
        """Calibrated probabilities (n, tasks) float64 of the seeds ``rows`` (n,) of the graph it was fitted on."""
        values = SeedValues(ModelConfig(), graph.schema, self.encoding, graph)
        columns = len(values.inputs.names)
        forest = Forest([task.read(columns) for task in self.tasks.values()], columns)
        return self.calibration.apply(forest.logits(values.of(rows, state)))


def fit_trees(
    graph: TemporalGraph, training: TrainingConfig, device: torch.device | None = None, trials: int = TRIALS
) -> TunedTrees:
    """Search, then fit on train and validate; the same ``training.seed`` gives the same trees.

    ``trials``: sets of parameters to try per task. Fitted on the CPU, whatever ``device`` is. Raises NoSeedsError.
    """
    encoding = Encoding.fit(graph, max(graph.schema.window(name).end for name in ("train", "validate")))
    values, validation = SeedValues(ModelConfig(), graph.schema, encoding, graph), known(graph, ("validate",))
    found = search_tasks(graph, values, training, validation, trials)
    tasks, labels = [task.name for task in graph.schema.seeds.tasks], graph.seeds.labels[validation].cpu().numpy()
    return TunedTrees(found.tasks, Calibration.fit(tasks, found.logits, labels), encoding)
