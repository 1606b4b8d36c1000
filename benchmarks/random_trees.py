"""Trees beside a network that score as slowly as real ones: fitted to made-up rows."""

import numpy as np

from models.boosting.search import TaskRows, fit_rounds
from models.calibration import Calibration
from models.training.artifact import Model
from models.trees.inputs import TreeInputs
from models.trees.trees import TaskTrees, Trees

_PARAMETERS = {
    "learning_rate": 0.03,
    "num_leaves": 31,
    "min_data_in_leaf": 40,
    "feature_fraction": 0.25,
    "bagging_fraction": 0.8,
}


def fit_random(model: Model, rounds: int, rows: int = 5000) -> Trees:
    """``rounds`` trees a task, on rows of random numbers and labels that depend on some of them."""
    inputs = TreeInputs.of(model.ranker.config, model.schema, model.encoding)
    random = np.random.default_rng(0)
    values = random.normal(size=(rows, len(inputs.names))).astype(np.float32)
    values[random.random(values.shape) < 0.05] = np.nan
    values[:, inputs.categories] = random.integers(0, 9, (rows, len(inputs.categories)))
    tasks: dict[str, TaskTrees] = {}
    for seed, task in enumerate(model.tasks):
        logit = np.nan_to_num(values) @ random.normal(size=len(inputs.names)) / 4
        labels = (random.random(rows) < 1 / (1 + np.exp(-logit))).astype(np.float64)
        tasks[task] = fit_rounds(TaskRows.of(values, labels, inputs.categories), _PARAMETERS, rounds, seed)
    alone = {part: Calibration.none(model.tasks) for part in ("network", "trees")}
    return Trees(dict.fromkeys(model.tasks, 0.5), inputs.names, tasks, alone)
