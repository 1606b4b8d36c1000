"""Per-task early stopping: a task that gets worse while the primary one still improves no longer moves the weights.

Rare or noisy outcomes are memorized first. The tasks share most weights, so the epoch that is best for one cannot be
taken for it alone: its head would read a bottom that has moved on. So its loss counts 0 from then on. Its head
only drifts with the optimizer's momentum and weight decay, the shared weights follow the other tasks, and the final
fit, which has no rows left to validate on, repeats the same schedule.
"""

import math
from collections.abc import Mapping, Sequence

from models.graph.schema import TaskColumn


def stop(
    stopped: Mapping[str, int], history: Sequence[Mapping[str, float]], tasks: Sequence[TaskColumn], tolerance: float
) -> dict[str, int]:
    """The tasks that have stopped after the last epoch of ``history``, each with the epochs it was trained for.

    ``stopped``: those before it; they stay. A task other than the primary stops where its validation AUC is more than
    ``tolerance`` below its best so far; without an AUC it goes on.
    """
    found = dict(stopped)
    for task in tasks:
        aucs = [entry.get(f"validate_auc_{task.name}", math.nan) for entry in history]
        known = [auc for auc in aucs if not math.isnan(auc)]
        if not task.primary and task.name not in found and known and aucs[-1] < max(known) - tolerance:
            found[task.name] = len(history)
    return found


def loss_weights(tasks: Sequence[TaskColumn], stopped: Mapping[str, int], epoch: int) -> tuple[float, ...]:
    """The weights of the tasks' losses in an epoch, from 0: the schema's, 0 for a task that has stopped."""
    return tuple(0.0 if epoch >= stopped.get(task.name, math.inf) else task.weight for task in tasks)
