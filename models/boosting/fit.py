"""Fits the trees of a product beside its network, which ``models.training`` has trained.

Weight and calibration belong to the mean logit of both. They are fitted on what the models of the SELECTION say of
validation rows, that have not seen them: the network's logits are in its artifact (``Validation``), the trees' are
those of the search's best trial. Then both are fitted once more, on train and validate.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.boosting.search import TRIALS, TaskRows, fit_rounds, search
from models.boosting.weight import fit_weight
from models.configs.model import ModelConfig
from models.configs.training import TrainingConfig
from models.graph.store import TemporalGraph
from models.training.artifact import Validation, change_trees, load_model
from models.training.batches import draw_member_states
from models.training.cold import fit_calibration
from models.training.errors import ArtifactError
from models.training.labels import labelled
from models.training.refit import extended
from models.training.seed_values import SeedValues
from models.trees.errors import TreesError
from models.trees.trees import TaskTrees, Trees

_BOTH = ("train", "validate")


@dataclass(frozen=True)
class Searched:
    """A search over all tasks."""

    tasks: dict[str, TaskTrees]
    """Fitted on train and validate."""
    logits: np.ndarray
    """(rows, T) float64: what the best trials' trees, fitted on train, say of the validation rows."""


def add_trees(
    graph: TemporalGraph, network: Path, config: ModelConfig, folder: Path, trials: int = TRIALS
) -> Trees | None:
    """Write the product ``folder`` of a fit's artifact ``network``: with trees where ``config.trees`` is on.

    The same ``training.seed`` gives the same trees. Raises ArtifactError for a network without ``Validation``, or of
    another graph.
    """
    model = load_model(network)
    if not config.trees:
        change_trees(network, folder, None, model.calibration)
        return None
    found = model.validation
    if found is None:
        raise ArtifactError(f"{network}: expected the artifact of a fit, with its validation's logits: train it again")
    times, last = graph.seeds.time.cpu(), int(found.rows.max()) if len(found.rows) else -1
    if last >= len(times) or not torch.equal(times[found.rows], found.times):
        raise ArtifactError(f"{network}: expected the graph that it was trained on; found one with other seeds")
    training = TrainingConfig(**model.training["config"])
    values = SeedValues(model.ranker.config, model.schema, model.encoding, graph)
    searched = search_tasks(graph, values, training, found.rows, trials)
    parts = {"network": found.logits.numpy(), "trees": searched.logits}
    alone = {part: fit_calibration(graph, found.rows, logits) for part, logits in parts.items()}
    weights = _weights(graph, found, searched.logits, config.trees_weight)
    trees = readable(Trees(weights, values.inputs.names, searched.tasks, alone))
    change_trees(network, folder, trees, fit_calibration(graph, found.rows, trees.mean(**parts)))
    return trees


def _weights(graph: TemporalGraph, found: Validation, trees: np.ndarray, given: float | None) -> dict[str, float]:
    """By task: the given weight of the trees, or the one that their logits (rows, T) and the network's fit."""
    names = [task.name for task in graph.schema.seeds.tasks]
    if given is not None:
        return dict.fromkeys(names, given)
    warm = ~graph.seeds.cold[found.rows].cpu().numpy()
    labels, network = graph.seeds.labels[found.rows].cpu().numpy(), found.logits.numpy()
    members = graph.seeds.member[found.rows].cpu().numpy()[warm]
    return {
        name: fit_weight(network[warm, place], trees[warm, place], labels[warm, place], members)
        for place, name in enumerate(names)
    }


def refit_trees(graph: TemporalGraph, judged: Path, until: int, folder: Path) -> None:
    """Give ``folder``, the refit of the network of ``judged`` until then, the trees of ``judged``, refit on those days.

    Parameters, rounds, weight and calibrations stay. Without trees in ``judged``: nothing is changed.
    """
    before, model = load_model(judged).trees, load_model(folder)
    if before is None:
        return
    longer, training = extended(graph, until), TrainingConfig(**model.training["config"])
    values = SeedValues(model.ranker.config, model.schema, model.encoding, longer)
    rows, columns = _learned(longer, values, training)
    tasks = {}
    for place, (name, task) in enumerate(before.tasks.items()):
        of_task = TaskRows.of(columns, longer.seeds.labels[rows, place].cpu().numpy(), values.inputs.categories)
        fitted = fit_rounds(of_task, task.parameters, task.rounds, training.seed)
        tasks[name] = replace(fitted, trials=task.trials)
    trees = readable(replace(before, columns=values.inputs.names, tasks=tasks))
    change_trees(folder, folder, trees, model.calibration)


def readable(trees: Trees) -> Trees:
    """The trees, once they are known to be within the limits of what is loaded. Raises ArtifactError."""
    try:
        _ = trees.forest
    except TreesError as error:
        raise ArtifactError(f"{error}. Leave categories with very many values out of the spec's features") from None
    return trees


def search_tasks(
    graph: TemporalGraph, values: SeedValues, training: TrainingConfig, validation: Tensor, trials: int = TRIALS
) -> Searched:
    """Search parameters for every task with the ``validation`` rows (n,), then fit on train and validate.

    ``training.state`` is the state of the member in training rows (mixed: half of the rows fresh, a quarter with the
    member's features and another quarter with its counters too as of ``frozen_time``). Raises NoSeedsError.
    """
    rows, columns = _learned(graph, values, training)
    train = torch.isin(rows, labelled(graph, ("train",), twins=True).cpu()).numpy()
    warm = ~graph.seeds.cold[validation].cpu().numpy()  # twins calibrate, and choose nothing
    every = values.of(validation, "frozen" if training.state == "frozen" else "as_of")
    categories, labels = values.inputs.categories, graph.seeds.labels.cpu().numpy()
    tasks, logits = {}, []
    for place, task in enumerate(graph.schema.seeds.tasks):
        own, held_out = labels[rows, place], TaskRows.of(every[warm], labels[validation.cpu(), place][warm], categories)
        found = search(TaskRows.of(columns[train], own[train], categories), held_out, every, training.seed, trials)
        fitted = fit_rounds(TaskRows.of(columns, own, categories), found.parameters, found.rounds, training.seed)
        tasks[task.name] = replace(fitted, trials=found.trials)
        logits.append(found.logits)
    return Searched(tasks, np.stack(logits, axis=1))


def _learned(graph: TemporalGraph, values: SeedValues, training: TrainingConfig) -> tuple[Tensor, np.ndarray]:
    """Seeds (n,) of train and validate, with twins, and their columns in the member states that training draws."""
    rows = labelled(graph, _BOTH, twins=True).cpu()
    generator = torch.Generator().manual_seed(training.seed)
    states = draw_member_states(len(rows), training.state, torch.device("cpu"), generator)
    return rows, values.of(rows, states)
