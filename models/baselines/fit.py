"""Fits any baseline by name from a graph, with one interface for predictions.

All baselines use the stored features of an impression (counters and context, surface, hour), of its member and of its
item, in the state that ``TrainingConfig.state`` names. The length of training and the calibration come from a fit on
the train window, evaluated on validate; the weights come from a fit on both, as in ``models.training.fit``.
"""

from collections.abc import Callable
from functools import partial
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from models.baselines.dcn import CrossRanker
from models.baselines.errors import BaselineError
from models.baselines.hgt import HgtRanker
from models.baselines.network import fit_network
from models.baselines.popularity import fit_popularity
from models.baselines.sage import SageRanker
from models.baselines.transformer import TransformerRanker
from models.baselines.tuned_trees import fit_trees
from models.configs.training import TrainingConfig
from models.graph.store import TemporalGraph
from models.training.batches import MemberState
from models.training.devices import best_device


class Baseline(Protocol):
    """A fitted baseline."""

    def predict(self, graph: TemporalGraph, rows: Tensor, state: MemberState = "as_of") -> np.ndarray:
        """Calibrated probabilities (n, tasks) float64 of the seeds ``rows`` (n,) int64.

        ``state``: as_of = everything strictly before the seed; frozen = what depends on the member's own outcomes is as
        of ``Seeds.frozen_time``.
        """
        ...


_FITS: dict[str, Callable[[TemporalGraph, TrainingConfig, torch.device], Baseline]] = {
    "popularity": fit_popularity,
    "trees": fit_trees,
    "dcn": partial(fit_network, CrossRanker),
    "transformer": partial(fit_network, TransformerRanker),
    "sage": partial(fit_network, SageRanker),
    "hgt": partial(fit_network, HgtRanker),
}
BASELINES = tuple(_FITS)
"""The names of all baselines."""


def fit_baseline(
    name: str, graph: TemporalGraph, training: TrainingConfig, device: torch.device | str | None = None
) -> Baseline:
    """Fit a baseline on the windows train and validate.

    ``training.seed`` determines everything random. ``device`` (networks only) None = CUDA if available; popularity and
    trees are fitted on the CPU. Raises BaselineError, NoSeedsError, DivergedError.
    """
    if name not in _FITS:
        raise BaselineError(f"baseline: expected one of {', '.join(BASELINES)}; found {name!r}")
    return _FITS[name](graph, training, torch.device(device or best_device()))
