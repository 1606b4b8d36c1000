"""The floor: what is simpler than the candidate, fitted on the same train and validate windows, without its network.

Trees on all features of impression, member and item (vectors are for the encoder alone), tuned by a short search on
validate: a product with trees has just those. And popularity, the item's smoothed rate so far.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from models.spec import Spec
from monitoring.predictions import FLOOR, MEMBER_STATES, WINDOWS

if TYPE_CHECKING:
    import torch

    from models.graph.store import TemporalGraph
    from models.training.artifact import Model

Scores = dict[tuple[str, str], dict[str, np.ndarray]]
"""Probabilities (rows,) by (window, member state), then by task."""
Predict = Callable[["torch.Tensor", Any], dict[str, np.ndarray]]
"""Seeds (n,) and a member state -> (n, tasks) by scorer."""


def by_window(graph: "TemporalGraph", tasks: list[str], predict: Predict) -> dict[str, Scores]:
    """By scorer: the probabilities of the gate and test windows in both member states, in the order of the graph."""
    import torch

    rows = [graph.seeds.rows(window) for window in WINDOWS]
    ends = np.cumsum([len(part) for part in rows])[:-1]
    found: dict[str, Scores] = {}
    for state in MEMBER_STATES:
        for name, probabilities in predict(torch.cat(rows), state).items():
            for window, part in zip(WINDOWS, np.split(probabilities, ends), strict=True):
                found.setdefault(name, {})[window, state] = dict(zip(tasks, part.T, strict=True))
    return found


def floors(spec: Spec, graph: "TemporalGraph", model: "Model") -> dict[str, Scores]:
    """The scores of popularity and, where the candidate ``model`` has none on all features, of trees. Fitted here."""
    import torch

    from models.baselines.fit import fit_baseline

    config, cpu = model.ranker.config, torch.device("cpu")
    own = model.trees is not None and config.counters and config.profiles
    found: dict[str, Scores] = {}
    for name in ("popularity", *([] if own else [FLOOR])):
        fitted = fit_baseline(name, graph, spec.training, cpu)

        def predict(rows: "torch.Tensor", state: Any, name: str = name, fitted: Any = fitted) -> dict[str, np.ndarray]:
            return {name: fitted.predict(graph, rows, state)}

        found |= by_window(graph, model.tasks, predict)
    return found
