"""Scoring seeds of a graph: logits, calibrated probabilities, validation metrics."""

from collections.abc import Sequence
from time import perf_counter

import numpy as np
import torch
from torch import Tensor

from models import metrics
from models.calibration import Calibration
from models.graph.store import TemporalGraph
from models.nn.encoded import EncodedGraph, encode_graph
from models.nn.family import Family
from models.training.artifact import Model
from models.training.batches import Batches, MemberState, score
from models.training.cold import cold_seeds
from models.training.errors import DivergedError
from models.training.seed_values import SeedValues
from models.training.slices import one_each

PRODUCT = "product"
_BATCH = 2048


def predict(
    model: Model,
    graph: TemporalGraph,
    rows: Tensor,
    state: MemberState = "as_of",
    calibrated: bool = True,
    lag: int = 0,
) -> np.ndarray:
    """Probabilities (n, tasks) float64 of the seeds ``rows`` (n,) int64 of any graph of the model's schema.

    Where negatives are sampled: of the sampled rows, not of the product (``Calibration.of_seeds``).

    ``state``: as_of = everything strictly before the seed; frozen = the member side as of ``frozen_time``, the start of
    the seed's window, like one ranking request. ``lag``: microseconds by which the tokens of both sides are older.
    Without ``calibrated``: the sigmoid of the logits. Raises EncodingError if the graph is not of the model's schema.
    Where the trees serve alone the network is not run, as at the endpoint.
    """
    if model.trees is None or not model.trees.serve_alone:
        return predict_parts(model, graph, rows, state, calibrated, lag)[PRODUCT]
    trees = model.trees.logits(_tree_values(model, graph, rows, state, lag))
    product = {PRODUCT: model.trees.mean(np.zeros_like(trees), trees)}
    return _probabilities(model, graph, rows, product, calibrated)[PRODUCT]


def predict_parts(
    model: Model,
    graph: TemporalGraph,
    rows: Tensor,
    state: MemberState = "as_of",
    calibrated: bool = True,
    lag: int = 0,
    seconds: dict[str, float] | None = None,
) -> dict[str, np.ndarray]:
    """The same, (n, tasks) each: of the product and, where it has trees, of its network and of its trees alone.

    ``seconds`` gets what one row of each part took.
    """
    started = perf_counter()
    encoded = encode_graph(model.encoding, model.schema, graph.to(model.device))
    logits = score_rows(model.ranker, encoded, rows.to(model.device), state, model.largest_fan_out, lag)
    found = {PRODUCT: logits}
    if model.trees is not None:
        between = perf_counter()
        trees = model.trees.logits(_tree_values(model, graph, rows, state, lag))
        if seconds is not None and len(rows):
            ended = perf_counter()
            seconds.update(network=(between - started) / len(rows), trees=(ended - between) / len(rows))
        found = {PRODUCT: model.trees.mean(logits, trees), "network": logits, "trees": trees}
    return _probabilities(model, graph, rows, found, calibrated)


def _tree_values(model: Model, graph: TemporalGraph, rows: Tensor, state: MemberState, lag: int) -> np.ndarray:
    return SeedValues(model.ranker.config, model.schema, model.encoding, graph).of(rows, state, lag)


def _probabilities(
    model: Model, graph: TemporalGraph, rows: Tensor, logits: dict[str, np.ndarray], calibrated: bool
) -> dict[str, np.ndarray]:
    """The probabilities of each part's logits, by the part's own calibration."""
    none, cold = Calibration.none(model.tasks), cold_seeds(graph, rows, model.schema.seeds.exposures)
    own = {PRODUCT: model.calibration, **(model.trees.alone if model.trees else {})}
    return {part: (own[part].of_seeds() if calibrated else none).apply(found, cold) for part, found in logits.items()}


@torch.inference_mode()
def score_rows(
    ranker: Family,
    encoded: EncodedGraph,
    rows: Tensor,
    state: MemberState = "as_of",
    largest_fan_out: int | None = None,
    lag: int = 0,
) -> np.ndarray:
    """Logits (n, tasks) float32 of the seeds ``rows`` (n,) int64, in evaluation mode; restores the ranker's mode.

    ``largest_fan_out``: None = as in the schema. ``state`` and ``lag`` as in ``predict``.
    """
    mode = ranker.training
    ranker.eval()
    source = ranker.activity_source(encoded.graph)
    batches = Batches(encoded, ranker.sequence_length, largest_fan_out, hops=ranker.hops, source=source)
    table = ranker.input_table(encoded)
    parts = [score(ranker, encoded, batches.make(part, state, lag), table) for part in one_each(rows).batches(_BATCH)]
    ranker.train(mode)
    tasks = len(ranker.schema.seeds.tasks)
    return torch.cat(parts).cpu().numpy() if parts else np.zeros((0, tasks), dtype=np.float32)


def task_aucs(tasks: Sequence[str], labels: np.ndarray, logits: np.ndarray) -> dict[str, float]:
    """AUC per task of ``labels`` and ``logits`` (rows, tasks); NaN where a task has one class only.

    Raises DivergedError if a logit is NaN.
    """
    missing = int(np.isnan(logits).any(axis=1).sum())
    if missing:
        raise DivergedError(
            f"validation: expected a number as the logit of every row; found NaN in {missing} of {len(logits)} rows. "
            "Lower the learning rate, or check the features for values that are far too large"
        )
    return {task: metrics.auc(labels[:, place], logits[:, place]) for place, task in enumerate(tasks)}
