"""The training loop: epochs over the seeds, early stopping on the validation window, checkpoints, the artifact."""

import math
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from models.files import sha256_of_json
from models.graph.store import TemporalGraph
from models.nn.config import ModelConfig
from models.nn.encoded import EncodedGraph, encode_graph
from models.nn.encoding import Encoding
from models.nn.model import Ranker
from models.spinning import limited_spinning
from models.training.artifact import Model, save_model
from models.training.batches import State
from models.training.calibration import Calibration
from models.training.checkpoint import Checkpoints, Progress
from models.training.compiled import compile_ranker
from models.training.config import TrainingConfig
from models.training.distributed import ranks
from models.training.epoch import new_optimiser, run_epoch, seeded
from models.training.history import pretrain
from models.training.labels import known, labelled
from models.training.predict import score_rows, task_aucs
from models.training.schedule import advance, begin

Log = Callable[[dict[str, float], int], None]
"""Called with metrics and the number of the epoch."""


@limited_spinning()
def train(
    graph: TemporalGraph,
    model_config: ModelConfig,
    training_config: TrainingConfig,
    folder: Path,
    device: torch.device | str | None = None,
    resume: bool = True,
    log: Log | None = None,
    fixed_epochs: int | None = None,
    windows: Sequence[str] = ("train",),
    checkpoint: Path | None = None,
    limits: Sequence[int] | None = None,
) -> Path:
    """Train on the seeds of ``windows`` and write the model artifact ``folder``; answer that folder.

    Unless ``fixed_epochs`` says how many epochs to run, the validation AUC of the primary task stops training and picks
    the epoch; the artifact's calibration is then fitted on the validation window: on labels known before it ended, as
    everywhere (``models.training.labels``). ``device`` None = CUDA where there is
    one. ``checkpoint`` (None = ``checkpoint`` beside ``folder``) holds one checkpoint, removed at the end; with
    ``resume`` an interrupted run of the same graph and configuration goes on from it, to the same result. ``limits``:
    the largest fan-out of each epoch, as another training's adaptive schedule found them; an adaptive schedule needs
    them or the validation: with ``fixed_epochs`` alone trees are as the schema says.

    Inside of ``process_group`` every process calls this, with equal arguments and folders that all see.

    Raises NoSeedsError, NoHistoryError, DivergedError, CheckpointError, ConfigError, CompilerError, ProcessError.
    """
    chosen = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    graph = graph.to(chosen)
    rows = labelled(graph, windows)
    tasks = [task.name for task in graph.schema.seeds.tasks]
    state: State = "frozen" if training_config.state == "frozen" else "as_of"  # judged in the state it is made for
    encoding = Encoding.fit(graph, until=max(graph.schema.window(window).end for window in windows))
    encoded = encode_graph(encoding, graph.schema, graph)
    with seeded(training_config.seed, chosen):
        ranker = Ranker(model_config, graph.schema, encoding).to(chosen)
    optimiser = new_optimiser(ranker, training_config)
    average = deepcopy(ranker)  # the moving average of the weights: what is validated and kept
    if training_config.compile:
        compile_ranker(ranker, chosen)

    run = fingerprint(graph, model_config, training_config, windows, fixed_epochs, limits)
    together = ranks()
    checkpoints = Checkpoints(checkpoint or folder.parent / "checkpoint", run)
    progress, best = Progress(), {name: value.clone() for name, value in average.state_dict().items()}
    if training_config.adaptive_neighbours and fixed_epochs is None and limits is None:
        progress.neighbours = begin(training_config, graph.schema)
    found = checkpoints.load(ranker, average, optimiser) if resume else None
    if found:
        progress, best = found[0], {name: value.to(chosen) for name, value in found[1].items()}
    together.agree("epochs done", progress.epoch, chosen)
    if not found:
        if together.leads:
            checkpoints.clear()
        if training_config.history_events:
            pretrain(ranker, encoded, training_config)
            average.load_state_dict(ranker.state_dict())

    while not _finished(progress, training_config, fixed_epochs):
        limit = limits[progress.epoch] if limits else progress.neighbours.limit if progress.neighbours else None
        metrics = run_epoch(ranker, average, encoded, optimiser, rows, progress.epoch, training_config, limit)
        progress.epoch += 1
        progress.limits.append(limit)
        if limit is not None:
            metrics["neighbours"] = float(limit)
        if fixed_epochs is None:
            unknown = {f"validate_auc_{task}": math.nan for task in tasks}
            metrics |= together.share(_validate(average, encoded, limit, state) if together.leads else unknown, chosen)
        auc = metrics.get(f"validate_auc_{_primary(graph)}", float("nan"))
        # Where the validation window cannot judge (no seeds, one class), the last epoch is the best.
        if fixed_epochs is not None or math.isnan(auc) or auc > progress.best_auc:
            progress.best_epoch, progress.best_auc = progress.epoch, auc if not math.isnan(auc) else progress.best_auc
            best = {name: value.clone() for name, value in average.state_dict().items()}
        if progress.neighbours:
            progress.neighbours = advance(progress.neighbours, auc, training_config, graph.schema)
        progress.history.append({name: value for name, value in metrics.items() if name != "seeds_per_second"})
        if together.leads:
            checkpoints.save(progress, ranker, average, optimiser, best)
            if log:
                log(metrics, progress.epoch)

    average.load_state_dict(best)
    if together.leads:
        limit = progress.limits[progress.best_epoch - 1] if progress.best_epoch else None
        calibration = Calibration.none(tasks)
        if fixed_epochs is None:
            validate = known(graph, ("validate",))
            logits = score_rows(average, encoded, validate, state, limit)
            calibration = Calibration.fit(tasks, logits, graph.seeds.labels[validate].cpu().numpy())
        training = {
            "config": asdict(training_config),
            "windows": list(windows),
            "epochs": progress.best_epoch,
            "epochs_run": progress.epoch,
            "seeds": len(rows),
            "history": progress.history,
            "limit": limit,
            "limits": progress.limits,
            "run": run,
        }
        save_model(Model(average.eval(), encoding, graph.schema, calibration, training), folder)
        checkpoints.clear()
    together.wait()
    return folder


def _validate(ranker: Ranker, encoded: EncodedGraph, limit: int | None, state: State) -> dict[str, float]:
    rows = known(encoded.graph, ("validate",))
    labels = encoded.graph.seeds.labels[rows].cpu().numpy()
    tasks = [task.name for task in encoded.graph.schema.seeds.tasks]
    aucs = task_aucs(tasks, labels, score_rows(ranker, encoded, rows, state, limit))
    return {f"validate_auc_{task}": auc for task, auc in aucs.items()}


def _finished(progress: Progress, config: TrainingConfig, fixed_epochs: int | None) -> bool:
    if fixed_epochs is not None:
        return progress.epoch >= fixed_epochs
    return progress.epoch >= config.epochs or progress.waited > config.patience


def _primary(graph: TemporalGraph) -> str:
    return next(task.name for task in graph.schema.seeds.tasks if task.primary)


def fingerprint(
    graph: TemporalGraph,
    model: ModelConfig,
    training: TrainingConfig,
    windows: Sequence[str] = ("train",),
    fixed_epochs: int | None = None,
    limits: Sequence[int] | None = None,
) -> str:
    """A digest of everything that decides a run's result: same digest, same model."""
    seeds = [len(graph.seeds), np.float64(graph.seeds.time.double().sum().item()).hex()]
    return sha256_of_json(
        {
            "graph": [graph.manifest.get("digest"), *seeds],
            "model": asdict(model),
            "training": asdict(training),
            "windows": list(windows),
            "epochs": fixed_epochs,
            "limits": limits,
            "processes": ranks().size,
        }
    )
