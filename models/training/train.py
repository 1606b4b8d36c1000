"""The training loop: epochs over the seeds, early stopping on the validation window, checkpoints, the artifact."""

import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.calibration import Calibration
from models.configs.model import ModelConfig
from models.configs.training import TrainingConfig
from models.files import sha256_of_json
from models.graph.schema import WindowSpan
from models.graph.store import TemporalGraph
from models.nn.build import build_ranker
from models.nn.encoded import encode_graph
from models.nn.encoding import Encoding
from models.spinning import limited_spinning
from models.time_units import iso
from models.training.artifact import Model, Validation, save_model
from models.training.batches import MemberState
from models.training.checkpoint import Checkpoints, Progress
from models.training.cold import fit_calibration
from models.training.compiled import compile_ranker
from models.training.devices import best_device
from models.training.distributed import ranks
from models.training.history import pretrain
from models.training.intercepts import intercepts, sample
from models.training.labels import known, labelled
from models.training.place import CheckpointPlace
from models.training.predict import score_rows, task_aucs
from models.training.schedule import advance, begin
from models.training.shared import share_folder
from models.training.stopping import loss_weights, stop
from models.training.trainer import Trainer, seeded

Log = Callable[[dict[str, float], int], None]
Store = Callable[[dict[str, Any]], None]
"""What process 0 does with the model and its summary before the progress of the fit is removed."""
"""Called after each epoch with its metrics and its number, from 1."""


@dataclass(frozen=True)
class Scope:
    """What a training run covers, besides the configurations."""

    windows: tuple[str, ...] = ("train",)
    """The windows whose seeds are trained on."""
    epochs: int | None = None
    """How many epochs to run; None = until early stopping on the validation window."""
    largest_fan_outs: tuple[int, ...] | None = None
    """The largest fan-out of each epoch, as another training's adaptive schedule found them. Without them and without
    early stopping, trees are as in the schema."""
    stopped: dict[str, int] = field(default_factory=dict)
    """The tasks that stop, each after so many epochs, as another training's validation found them."""


@limited_spinning()
def train(
    graph: TemporalGraph,
    model_config: ModelConfig,
    training_config: TrainingConfig,
    folder: Path,
    scope: Scope = Scope(),
    device: torch.device | str | None = None,
    log: Log | None = None,
    checkpoint: CheckpointPlace | Path | str | None = None,
) -> Path:
    """Train on the seeds of ``scope.windows`` and write the model artifact ``folder``; returns ``folder``.

    Unless ``scope.epochs`` is given, the validation AUC of the primary task stops training and picks the epoch, and the
    artifact's calibration is fitted on the validation window, on the labels that ``models.training.labels.known``
    allows; that of cold rows on cold twins too. ``device`` None = CUDA if available. ``checkpoint`` (None =
    ``checkpoint`` next to ``folder``) holds one checkpoint, removed at the end: an interrupted run of the same graph
    and configuration continues from it, to the same result. It is a folder, or an address in object storage
    (``models.training.place``).

    Inside ``process_group`` every process calls this with equal arguments; those of one machine see the same folders.

    Raises NoSeedsError, NoHistoryError, DivergedError, CheckpointError, ConfigError, CompilerError, ProcessError.
    """
    chosen = torch.device(device or best_device())
    run = TrainingRun(graph.to(chosen), model_config, training_config, scope)
    return run.execute(folder, Checkpoints(CheckpointPlace.of(checkpoint, folder), run.fingerprint), log)


class TrainingRun:
    """One training of one model: its weights, its progress, and the best weights so far."""

    def __init__(
        self, graph: TemporalGraph, model_config: ModelConfig, training_config: TrainingConfig, scope: Scope
    ) -> None:
        """The run is on the device of ``graph``. Raises NoSeedsError, ConfigError, CompilerError."""
        self.graph, self.config, self.scope = graph, training_config, scope
        self.rows = labelled(graph, scope.windows, twins=True)
        self.encoding = Encoding.fit(graph, until=max(span.end for span in self.spans))
        self.encoded = encode_graph(self.encoding, graph.schema, graph)
        with seeded(training_config.seed, graph.device):
            ranker = build_ranker(model_config, graph.schema, self.encoding).to(graph.device)
        self.average = deepcopy(ranker)
        """The moving average of the weights: what is validated and kept."""
        self.trainer = Trainer(ranker, training_config, self.average)
        if training_config.compile:
            compile_ranker(ranker, graph.device)
        self.progress, self.best = Progress(), self._weights()
        if training_config.adaptive_neighbours and scope.epochs is None and scope.largest_fan_outs is None:
            self.progress.neighbours = begin(training_config, graph.schema)
        self.fingerprint = fingerprint(graph, model_config, training_config, scope)
        self.processes = ranks()

    @property
    def tasks(self) -> list[str]:
        """The tasks' names, in the order of the logits' columns."""
        return [task.name for task in self.graph.schema.seeds.tasks]

    @property
    def spans(self) -> list[WindowSpan]:
        """The windows that are trained on, with their bounds."""
        return [self.graph.schema.window(window) for window in self.scope.windows]

    @property
    def judged_state(self) -> MemberState:
        """The member state for validation and calibration: the one the model is trained for."""
        return "frozen" if self.config.state == "frozen" else "as_of"

    def execute(self, folder: Path, checkpoints: Checkpoints, log: Log | None = None) -> Path:
        """Run all epochs that are left and write the artifact ``folder``; returns it. Raises as ``train``."""
        self._start(checkpoints)
        while not self._finished():
            metrics = self._run_epoch()
            if self.processes.leads:
                trainer = self.trainer
                checkpoints.save(self.progress, trainer.ranker, self.average, trainer.optimizer, self.best)
                if log:
                    log(metrics, self.progress.epoch)
        self.average.load_state_dict(self.best)
        if self.processes.leads:
            save_model(self._model(), folder)
            checkpoints.clear()
        share_folder(self.processes, folder)
        return folder

    def _start(self, checkpoints: Checkpoints) -> None:
        """Continue from the checkpoint, or begin: with pre-training, where it is configured."""
        trainer, device = self.trainer, self.graph.device
        if self.processes.leads and checkpoints.place.address:
            checkpoints.fetch()
        share_folder(self.processes, checkpoints.folder)
        found = checkpoints.load(trainer.ranker, self.average, trainer.optimizer)
        if found:
            self.progress = found[0]
            self.best = {name: value.to(device) for name, value in found[1].items()}
        self.processes.agree("epochs done", self.progress.epoch, device)
        if not found:
            if self.processes.leads:
                checkpoints.clear()
            if self.config.history_events:
                pretrain(trainer.ranker, self.encoded, self.config)
                self.average.load_state_dict(trainer.ranker.state_dict())

    def _finished(self) -> bool:
        if self.scope.epochs is not None:
            return self.progress.epoch >= self.scope.epochs
        return self.progress.epoch >= self.config.epochs or self.progress.waited > self.config.patience

    def _run_epoch(self) -> dict[str, float]:
        progress, scope = self.progress, self.scope
        largest_fan_out = progress.neighbours.largest_fan_out if progress.neighbours else None
        if scope.largest_fan_outs:
            largest_fan_out = scope.largest_fan_outs[progress.epoch]
        stopped = progress.stopped if scope.epochs is None else scope.stopped
        weights = loss_weights(self.graph.schema.seeds.tasks, stopped, progress.epoch)
        metrics = self.trainer.run_epoch(self.encoded, self.rows, progress.epoch, largest_fan_out, weights=weights)
        progress.epoch += 1
        progress.largest_fan_outs.append(largest_fan_out)
        if largest_fan_out is not None:
            metrics["neighbours"] = float(largest_fan_out)
        if scope.epochs is None:
            found = self._validate(largest_fan_out) if self.processes.leads else dict.fromkeys(self.tasks, math.nan)
            found = {f"validate_auc_{task}": auc for task, auc in found.items()}
            metrics |= self.processes.share(found, self.graph.device)
        primary = next(task.name for task in self.graph.schema.seeds.tasks if task.primary)
        self._judge(metrics.get(f"validate_auc_{primary}", math.nan))
        progress.history.append({name: value for name, value in metrics.items() if name != "seeds_per_second"})
        tasks = self.graph.schema.seeds.tasks
        progress.stopped = stop(stopped, progress.history, tasks, self.config.task_tolerance)
        return metrics

    def _judge(self, auc: float) -> None:
        """Keep the weights if they are the best so far; an epoch without a validation AUC is the best so far."""
        progress = self.progress
        if self.scope.epochs is not None or math.isnan(auc) or auc > progress.best_auc:
            progress.best_epoch = progress.epoch
            progress.best_auc = progress.best_auc if math.isnan(auc) else auc
            self.best = self._weights()
        if progress.neighbours:
            progress.neighbours = advance(progress.neighbours, auc, self.config, self.graph.schema)

    def _weights(self) -> dict[str, Tensor]:
        return {name: value.clone() for name, value in self.average.state_dict().items()}

    def _scored(self, rows: Tensor, largest_fan_out: int | None) -> tuple[np.ndarray, np.ndarray]:
        """Logits and labels, (n, tasks) each, of the seeds ``rows``."""
        logits = score_rows(self.average, self.encoded, rows, self.judged_state, largest_fan_out)
        return logits, self.graph.seeds.labels[rows].cpu().numpy()

    def _validate(self, largest_fan_out: int | None) -> dict[str, float]:
        """The validation AUC by task, NaN where there is none."""
        logits, labels = self._scored(known(self.graph, ("validate",)), largest_fan_out)
        return task_aucs(self.tasks, labels, logits)

    def _align(self, largest_fan_out: int | None) -> None:
        """Give the heads the intercepts of the rows that they learned from, in place."""
        shifts = intercepts(*self._scored(sample(known(self.graph, self.scope.windows)), largest_fan_out))
        self.average.heads.shift(torch.from_numpy(shifts).float().to(self.graph.device))

    def _model(self) -> Model:
        """The artifact's model: the best weights with aligned intercepts, calibrated."""
        progress = self.progress
        largest_fan_out = progress.largest_fan_outs[progress.best_epoch - 1] if progress.best_epoch else None
        self._align(largest_fan_out)
        calibration, validation = Calibration.none(self.tasks), None
        if self.scope.epochs is None:
            rows = known(self.graph, ("validate",), twins=True)
            logits, _ = self._scored(rows, largest_fan_out)
            calibration = fit_calibration(self.graph, rows, logits)
            times = self.graph.seeds.time[rows]
            validation = Validation(rows.cpu(), times.cpu(), torch.from_numpy(logits))
        twins = int(self.graph.seeds.cold[self.rows].sum())
        training = {
            "config": asdict(self.config),
            "windows": list(self.scope.windows),
            "from": iso(min(span.start for span in self.spans)),
            "until": iso(max(span.end for span in self.spans)),
            "epochs": progress.best_epoch,
            "epochs_run": progress.epoch,
            "seeds": len(self.rows) - twins,
            "cold_twins": twins,
            "history": progress.history,
            "limit": largest_fan_out,
            "limits": progress.largest_fan_outs,
            "stopped": progress.stopped,
            "run": self.fingerprint,
        }
        return Model(
            self.average.eval(), self.encoding, self.graph.schema, calibration, training, validation=validation
        )


def fingerprint(
    graph: TemporalGraph,
    model_config: ModelConfig,
    training_config: TrainingConfig,
    scope: Scope = Scope(),
) -> str:
    """A digest of everything that decides a training's result: same digest, same model."""
    seeds = [len(graph.seeds), np.float64(graph.seeds.time.double().sum().item()).hex()]
    return sha256_of_json(
        {
            "graph": [graph.manifest.get("digest"), *seeds],
            "model": model_config.of_network(),
            "training": training_config.of_family(model_config.family),
            "windows": list(scope.windows),
            "epochs": scope.epochs,
            "limits": scope.largest_fan_outs,
            "stopped": scope.stopped,
            "processes": ranks().size,
        }
    )
