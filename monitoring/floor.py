"""The floor: what is simpler than the candidate, fitted on the same train and validate windows, without its network.

Trees on all features of impression, member and item (vectors are for the encoder alone), tuned by a short search on
validate: a product with trees has just those. And popularity, the item's smoothed rate so far.
"""

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from models.spec import Spec
from monitoring.predictions import FLOOR, MEMBER_STATES, WINDOWS

if TYPE_CHECKING:
    import torch

    from models.graph.store import TemporalGraph
    from models.training.artifact import Model

_log = logging.getLogger(__name__)
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

    from models.baselines.popularity import fit_popularity
    from models.baselines.tuned_trees import fit_trees
    from models.training.errors import NoSeedsError
    from models.trees.errors import TreesError

    found: dict[str, Scores] = {}
    fits: dict[str, Callable[..., Any]] = {
        "popularity": fit_popularity,
        **({} if has_own_trees(model) else {FLOOR: fit_trees}),
    }
    for name, fit in fits.items():
        try:
            fitted = fit(graph, spec.training, torch.device("cpu"))
            found |= by_window(graph, model.tasks, partial(_alone, graph, name, fitted))
        except (TreesError, NoSeedsError) as error:  # the training must not be lost with it
            _log.warning("There is no floor of %s: %s", name, error)
    return found


def _alone(graph: "TemporalGraph", name: str, fitted: Any, rows: "torch.Tensor", state: Any) -> dict[str, np.ndarray]:
    return {name: fitted.predict(graph, rows, state)}


def has_own_trees(model: "Model") -> bool:
    """Whether the model has trees beside its network that read all features: they are the floor."""
    return model.trees is not None and model.ranker.config.counters and model.ranker.config.profiles
