"""Popularity baseline: the smoothed rate of positive outcomes of the item so far, independent of the member."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models import metrics
from models.calibration import Calibration
from models.configs.training import TrainingConfig
from models.graph.csr import csr_offsets
from models.graph.store import TemporalGraph
from models.graph.timeline import Timeline
from models.training.batches import MemberState
from models.training.labels import known

_SMOOTHINGS = (1.0, 5.0, 20.0, 100.0, 500.0)


@dataclass
class Popularity:
    """Predicts from the item's rate among seeds whose outcome settled strictly before the prediction's time."""

    smoothing: dict[str, float]
    """By task: number of pseudo-outcomes at the overall rate, chosen by AUC on validate."""
    calibration: Calibration

    def predict(self, graph: TemporalGraph, rows: Tensor, state: MemberState = "as_of") -> np.ndarray:
        """Calibrated probabilities (n, tasks) float64 of the seeds ``rows`` (n,); ``state`` makes no difference."""
        graph, rows = graph.to("cpu"), rows.cpu()
        weights = self.smoothing.values()
        logits = [_counts(graph, place, rows).logits(weight) for place, weight in enumerate(weights)]
        return self.calibration.apply(np.stack(logits, axis=1))


def fit_popularity(graph: TemporalGraph, training: TrainingConfig, device: torch.device) -> Popularity:
    """Choose the smoothing and fit the calibration on validate, without randomness and on the CPU."""
    graph = graph.to("cpu")
    rows, tasks = known(graph, ("validate",)), [task.name for task in graph.schema.seeds.tasks]
    labels = graph.seeds.labels[rows].numpy()
    smoothing, logits = {}, []
    for place, task in enumerate(tasks):
        counts = _counts(graph, place, rows)
        tried = {weight: counts.logits(weight) for weight in _SMOOTHINGS}
        aucs = np.array([metrics.auc(labels[:, place], found) for found in tried.values()])
        smoothing[task] = _SMOOTHINGS[int(np.nan_to_num(aucs).argmax())]
        logits.append(tried[smoothing[task]])
    return Popularity(smoothing, Calibration.fit(tasks, np.stack(logits, axis=1), labels))


@dataclass
class _Counts:
    """Outcomes of one task that settled strictly before each of n rows, (n,) float64 each."""

    shown: Tensor
    """Number of the item's rows on which the task was defined."""
    positive: Tensor
    """Number of positive ones among them."""
    overall: Tensor
    """The rate over all items."""

    def logits(self, smoothing: float) -> np.ndarray:
        """The logit of the item's smoothed rate, (n,) float64."""
        rate = (self.positive + smoothing * self.overall) / (self.shown + smoothing)
        return torch.logit(rate).numpy()


def _counts(graph: TemporalGraph, task: int, rows: Tensor) -> _Counts:
    """Where negatives are sampled, only positives are counted, as shares of all of them: negatives say how they were
    drawn, not what was shown."""
    seeds, items = graph.seeds, graph.schema.node(graph.schema.seeds.item).count
    labels, settled, time = seeds.labels[:, task].masked_fill(seeds.cold, torch.nan), seeds.settled, seeds.time[rows]
    sampled = graph.schema.seeds.tasks[task].name in {one.name for one in graph.schema.seeds.sampled}
    labels = labels.masked_fill(labels == 0, torch.nan) if sampled else labels
    everybody = torch.zeros_like(seeds.item)
    shown, positive = _before(everybody, 1, labels, settled, everybody[rows], time)
    overall = torch.full_like(shown, 1 / (items + 1)) if sampled else (positive + 0.5) / (shown + 1)
    # Unknown items get the index after the last known one, which has no rows.
    owner = torch.where(seeds.item >= 0, seeds.item, items)
    labels = torch.where(seeds.item >= 0, labels, torch.nan)
    own, clicked = _before(owner, items + 1, labels, settled, owner[rows], time)
    return _Counts(shown if sampled else own, clicked, overall)


def _before(
    owner: Tensor, owners: int, labels: Tensor, settled: Tensor, queries: Tensor, time: Tensor
) -> tuple[Tensor, Tensor]:
    """The numbers (n,) float64 of labeled and of positive rows that settled strictly before ``time`` (n,), for each
    owner in ``queries`` (n,)."""
    known = torch.nonzero(~torch.isnan(labels)).flatten()
    known = known[settled[known].argsort(stable=True)]
    known = known[owner[known].argsort(stable=True)]
    offsets = csr_offsets(owner[known].numpy(), owners)
    sums = torch.nn.functional.pad(labels[known].double().cumsum(0), (1, 0))
    first, end = offsets[queries], Timeline(offsets, settled[known]).end(queries, time)
    return (end - first).double(), sums[end] - sums[first]
