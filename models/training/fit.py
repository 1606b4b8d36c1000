"""The whole fit: a model on the train window sets epochs and calibration, then one on train and validate."""

from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from models.configs.model import ModelConfig
from models.configs.training import TrainingConfig
from models.graph.store import TemporalGraph
from models.training.artifact import MANIFEST, change_calibration, load_model
from models.training.distributed import ranks
from models.training.errors import ArtifactError
from models.training.place import CheckpointPlace
from models.training.shared import share_folder
from models.training.train import Log, Scope, Store, fingerprint, train


def fit(
    graph: TemporalGraph,
    model_config: ModelConfig,
    training_config: TrainingConfig,
    folder: Path,
    device: torch.device | str | None = None,
    log: Log | None = None,
    checkpoint: Path | str | None = None,
    store: Store | None = None,
) -> dict[str, Any]:
    """Write the model artifact ``folder``; returns a summary: epochs, seconds, validation AUC by task and epoch.

    ``checkpoint`` (None = ``checkpoint`` next to ``folder``), a folder or an address in object storage, keeps the
    progress of both trainings, so that an interrupted fit continues. Inside ``process_group`` every process calls this.
    ``store`` is called by process 0 with the summary, before the progress is removed: where it raises, that stays.
    The artifact's ``Validation`` holds the first model's logits, for the trees. Raises what ``train`` raises.
    """
    started, processes = perf_counter(), ranks()
    run = fingerprint(graph, model_config, training_config)
    keep = CheckpointPlace.of(checkpoint, folder).of_run(run)
    selection = keep.folder / "selection"
    if processes.leads and keep.address:
        keep.fetch("selection", MANIFEST)
    share_folder(processes, selection)
    if not _trained(selection, run):
        place = keep.below("train")
        train(graph, model_config, training_config, selection, Scope(), device, log, checkpoint=place)
        if processes.leads:
            keep.send("selection", MANIFEST)
    selected = load_model(selection)
    selecting = perf_counter() - started
    epochs = selected.training["epochs"]
    largest_fan_outs = tuple(selected.training["limits"][:epochs]) if training_config.adaptive_neighbours else None
    scope = Scope(("train", "validate"), epochs, largest_fan_outs, selected.training["stopped"])
    train(
        graph, model_config, training_config, folder, scope, device, checkpoint=replace(keep.below("final"), stays=True)
    )
    if processes.leads:
        change_calibration(folder, selected.calibration, selected.validation, selection=selected.training)
    share_folder(processes, folder)
    final = load_model(folder)
    best = selected.training["history"][epochs - 1]
    summary = {
        "epochs": epochs,
        "epochs_run": selected.training["epochs_run"],
        **{name: value for name, value in best.items() if name.startswith("validate_")},
        "history": selected.training["history"],
        "seeds": final.training["seeds"],
        "selection_seconds": selecting,
        "seconds": perf_counter() - started,
    }
    if processes.leads:
        if store is not None:
            store(summary)
        keep.clear()
    return summary


def _trained(folder: Path, run: str) -> bool:
    """Whether the first training of this same fit is done."""
    try:
        return load_model(folder).training["run"] == run
    except ArtifactError:
        return False
