"""Training loop of the baseline networks.

The number of epochs and the calibration come from a fit on the train window, evaluated on validate; the weights come
from a fit on both with that number of epochs. It uses epochs, patience, batch_size, learning_rate, weight_decay,
warmup, gradient_norm, state and seed of ``TrainingConfig``, and computes in float32.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from models.calibration import Calibration
from models.configs.training import TrainingConfig
from models.graph.schema import GraphSchema
from models.graph.store import TemporalGraph
from models.nn.encoded import EncodedGraph, encode_graph
from models.nn.encoding import Encoding
from models.spinning import limited_spinning
from models.training.batches import Batch, Batches, MemberState, draw_member_states
from models.training.errors import DivergedError
from models.training.labels import known, labelled
from models.training.predict import task_aucs
from models.training.slices import one_each
from models.training.step import multi_task_loss
from models.training.trainer import learning_rate_share, seeded

_SCORED_AT_ONCE = 2048


class Network(Protocol):
    """A ``torch.nn.Module`` that maps a batch to one logit per task."""

    activities: int
    """The number of the member's last activities in its batches, 1 or more."""

    def __call__(self, encoded: EncodedGraph, batch: Batch) -> Tensor:
        """Logits (B, T). The batch's trees have only roots: a network samples its own neighborhoods."""
        ...


Make = Callable[[GraphSchema, Encoding], nn.Module]


@dataclass
class FittedNetwork:
    """A trained network with the encoding of its inputs and the calibration of its logits."""

    network: nn.Module
    encoding: Encoding
    schema: GraphSchema
    calibration: Calibration
    device: torch.device
    training: dict[str, Any] = field(default_factory=dict)
    """Epochs, seconds and ``history``: loss and validation AUC by task of each epoch of the first fit."""

    def predict(self, graph: TemporalGraph, rows: Tensor, state: MemberState = "as_of") -> np.ndarray:
        """Calibrated probabilities (n, tasks) float64 of the seeds ``rows`` (n,). Raises EncodingError."""
        encoded = encode_graph(self.encoding, self.schema, graph.to(self.device))
        return self.calibration.apply(_score(self.network, encoded, rows.to(self.device), state))


@limited_spinning()
def fit_network(make: Make, graph: TemporalGraph, config: TrainingConfig, device: torch.device) -> FittedNetwork:
    """Fit the network that ``make`` creates. Raises NoSeedsError, DivergedError."""
    started, graph = perf_counter(), graph.to(device)
    tasks = [task.name for task in graph.schema.seeds.tasks]
    first = _train(make, graph, config, ("train",))
    validate = known(graph, ("validate",))
    logits = _score(first.network, first.encoded, validate, _validation_state(config))
    calibration = Calibration.fit(tasks, logits, graph.seeds.labels[validate].cpu().numpy())
    final = _train(make, graph, config, ("train", "validate"), epochs=first.epochs)
    training = {"epochs": first.epochs, "history": first.history, "seconds": perf_counter() - started}
    return FittedNetwork(final.network, final.encoding, graph.schema, calibration, device, training)


@dataclass
class _Trained:
    network: nn.Module
    encoding: Encoding
    encoded: EncodedGraph
    epochs: int
    history: list[dict[str, float]]


def _train(
    make: Make, graph: TemporalGraph, config: TrainingConfig, windows: Sequence[str], epochs: int | None = None
) -> _Trained:
    """Train on the labeled seeds of the windows; ``epochs`` None = keep the best epoch on validate.

    The learning rate decays to zero over ``config.epochs``, also if training stops earlier.
    """
    rows = labelled(graph, windows)
    encoding = Encoding.fit(graph, until=max(graph.schema.window(window).end for window in windows))
    encoded = encode_graph(encoding, graph.schema, graph)
    with seeded(config.seed, graph.device):
        network = make(graph.schema, encoding).to(graph.device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    history: list[dict[str, float]] = []
    best, best_auc, best_epoch = _weights(network), -math.inf, 0
    while len(history) < (epochs if epochs is not None else config.epochs):
        metric = _epoch(network, encoded, optimizer, rows, len(history), config)
        if epochs is None:
            metric |= _validate(network, encoded, _validation_state(config))
        history.append(metric)
        auc = metric.get("validate_auc_" + _primary(graph.schema), math.nan)
        # Without a validation AUC (no seeds, one class), the last epoch is the best.
        if math.isnan(auc) or auc > best_auc:
            best, best_epoch = _weights(network), len(history)
            best_auc = best_auc if math.isnan(auc) else auc
        if len(history) - best_epoch > config.patience:
            break
    network.load_state_dict(best)
    return _Trained(network.eval(), encoding, encoded, best_epoch, history)


def _epoch(
    network: nn.Module,
    encoded: EncodedGraph,
    optimizer: torch.optim.Optimizer,
    rows: Tensor,
    epoch: int,
    config: TrainingConfig,
) -> dict[str, float]:
    """One pass over the seeds ``rows`` (n,) in random order; returns its mean loss."""
    network.train()
    seeds, device, total = encoded.graph.seeds, rows.device, 0.0
    batches = _batches(network, encoded)
    weights = torch.tensor([task.weight for task in encoded.graph.schema.seeds.tasks], device=device)
    with seeded(config.seed + 1_000_003 * (epoch + 1), device):
        steps = rows[torch.randperm(len(rows), device=device)].split(config.batch_size)
        for step, part in enumerate(steps):
            for group in optimizer.param_groups:
                progress = (epoch + step / len(steps)) / config.epochs
                group["lr"] = config.learning_rate * learning_rate_share(progress, config.warmup)
            batch = batches.make(one_each(part), draw_member_states(len(part), config.state, device))
            loss = multi_task_loss(network(encoded, batch), seeds.labels[part], weights)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), config.gradient_norm)
            optimizer.step()
            total += loss.item() * len(part)
            if not math.isfinite(total):
                raise DivergedError(
                    f"loss in epoch {epoch + 1}, step {step + 1}: expected a finite number; found {loss.item()}: lower "
                    f"learning_rate ({config.learning_rate})"
                )
    return {"train_loss": total / len(rows)}


@torch.inference_mode()
def _score(network: nn.Module, encoded: EncodedGraph, rows: Tensor, state: MemberState = "as_of") -> np.ndarray:
    """Logits (n, tasks) float32 of the seeds ``rows`` (n,), in evaluation mode."""
    network.eval()
    batches = _batches(network, encoded)
    parts = [network(encoded, batches.make(one_each(part), state)) for part in rows.split(_SCORED_AT_ONCE)]
    return torch.cat(parts).cpu().numpy()


def _validate(network: nn.Module, encoded: EncodedGraph, state: MemberState) -> dict[str, float]:
    """Validation AUC by task; NaN where a task has one class only."""
    rows = known(encoded.graph, ("validate",))
    tasks = [task.name for task in encoded.graph.schema.seeds.tasks]
    aucs = task_aucs(tasks, encoded.graph.seeds.labels[rows].cpu().numpy(), _score(network, encoded, rows, state))
    return {f"validate_auc_{task}": auc for task, auc in aucs.items()}


def _validation_state(config: TrainingConfig) -> MemberState:
    """The state in which a fit is validated: the one it is trained for."""
    return "frozen" if config.state == "frozen" else "as_of"


def _batches(network: nn.Module, encoded: EncodedGraph) -> Batches:
    return Batches(encoded, int(network.activities), hops=0)  # type: ignore[arg-type]


def _weights(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


def _primary(schema: GraphSchema) -> str:
    return next(task.name for task in schema.seeds.tasks if task.primary)
