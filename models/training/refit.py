"""The refit: after the gate's verdict, the judged model is trained once more, on newer days too.

Nothing is chosen again. Configurations, number of epochs, fan-outs, stopped tasks and calibration are those of the
judged model, only the seeds are more: train, validate, and the gate window before ``until``. The seeds from ``until``
on stay unseen, so that they can check the new weights. The calibration was fitted on days that the selection's model
had not seen; none of those is left to fit it again, since the days from ``until`` on must check it.
"""

from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from models.configs.training import TrainingConfig
from models.graph.store import TemporalGraph
from models.training.artifact import change_calibration, load_model
from models.training.distributed import ranks
from models.training.errors import NoSeedsError
from models.training.place import CheckpointPlace
from models.training.shared import share_folder
from models.training.train import Log, Scope, Store, train


def refit(
    graph: TemporalGraph,
    judged: Path,
    until: int,
    folder: Path,
    device: torch.device | str | None = None,
    log: Log | None = None,
    checkpoint: Path | str | None = None,
    store: Store | None = None,
) -> dict[str, Any]:
    """Train the model artifact ``judged`` again and write the artifact ``folder``; return a summary: epochs, seeds.

    ``until``: microseconds UTC in the gate window; no seed at or after it is trained on, nor one that settled then. The
    artifact's schema says so: its validate window ends at ``until``. ``checkpoint`` (None = ``checkpoint`` next to
    ``folder``), a folder or an address in object storage, keeps the progress, so that an interrupted refit continues.
    Inside ``process_group`` every process calls this. ``store`` as in ``fit``. Raises NoSeedsError for a time outside
    of the gate window, ArtifactError, and what ``train`` raises.
    """
    started, processes, before = perf_counter(), ranks(), load_model(judged)
    keep = CheckpointPlace.of(checkpoint, folder).of_run(before.training["run"])
    config, epochs = TrainingConfig(**before.training["config"]), before.training["epochs"]
    largest_fan_outs = tuple(before.training["limits"][:epochs]) if config.adaptive_neighbours else None
    scope = Scope(("train", "validate"), epochs, largest_fan_outs, before.training.get("stopped", {}))
    train(extended(graph, until), before.ranker.config, config, folder, scope, device, log, replace(keep, stays=True))
    if processes.leads:
        of_judged = {name: before.training[name] for name in ("run", "seeds")}
        change_calibration(folder, before.calibration, judged=of_judged)
    share_folder(processes, folder)
    training = load_model(folder).training
    summary = {"epochs": epochs, "seeds": training["seeds"], "seconds": perf_counter() - started}
    if processes.leads:
        if store is not None:
            store(summary)
        keep.clear()
    return summary


def extended(graph: TemporalGraph, until: int) -> TemporalGraph:
    """The graph with its validate window extended to ``until`` (microseconds UTC), where the gate window then starts.

    Everything else stays, also the seeds' frozen times. Raises NoSeedsError unless ``until`` lies in the gate window
    after its start, or at its end.
    """
    schema, names, gate = graph.schema, list(graph.seeds.windows), graph.schema.window("gate")
    if not gate.start < until <= gate.end:
        raise NoSeedsError(
            f"refit: expected it to end in the gate window, after {gate.start} and not after {gate.end} (microseconds "
            f"UTC); found {until}: give a day of that window"
        )
    spans = {"validate": replace(schema.window("validate"), end=until), "gate": replace(gate, start=until)}
    windows = tuple(spans.get(span.name, span) for span in schema.seeds.windows)
    window = graph.seeds.window.clone()
    window[(window == names.index("gate")) & (graph.seeds.time < until)] = names.index("validate")
    return replace(
        graph,
        schema=replace(schema, seeds=replace(schema.seeds, windows=windows)),
        seeds=replace(graph.seeds, window=window),
        manifest={**graph.manifest, "digest": f"{graph.manifest.get('digest')}+{until}"},
    )
